#pragma once

#include "operator/api/allowed.hpp"
#include "operator/backend/kube/client/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <map>
#include <optional>
#include <string>

namespace ei::kube {

inline constexpr ResourceType kPersistentVolumeClaims{"", "v1", "persistentvolumeclaims",
                                                      "PersistentVolumeClaim"};

/// What is known of PersistentVolumeClaims that services name, under a rule that goes by their labels. They
/// are asked for one by one: the right to get them suffices, and nobody else's are listed.
class Claims {
 public:
  /// `client` must outlive this.
  Claims(Client& client, api::ClaimRule rule) : client_(client), rule_(std::move(rule)) {}

  [[nodiscard]] api::ClaimRule const& rule() const { return rule_; }

  /// The refusal of a claim, from what was read in the last minutes or now. Errors: the server's; Forbidden
  /// is told as a refusal, as only an administrator can mend it.
  boost::asio::awaitable<Result<std::optional<api::FieldError>>> refusal(std::string field, ObjectKey claim);

  /// Whether a spec needs no claim, or only such as were allowed when they were last read.
  [[nodiscard]] bool known_allowed(api::Spec const& spec, std::string const& namespace_name) const;

 private:
  struct Read {
    std::optional<std::map<std::string, std::string>> labels;  ///< none: there is no such claim
    SteadyTime at{};
  };

  Client& client_;
  api::ClaimRule rule_;
  std::map<ObjectKey, Read> read_;
};

}  // namespace ei::kube
