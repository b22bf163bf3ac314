#pragma once

#include "operator/backend/kube/caches.hpp"
#include "operator/backend/kube/children/children.hpp"
#include "operator/backend/kube/client/client.hpp"
#include "operator/backend/kube/protocol/contest.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace ei::kube {

/// What an earlier service of the name left when it was deleted with --cascade=orphan, or whose owner
/// reference somebody took away: nobody controls it, and this operator made it for a service of that name.
/// It is adopted. `object` is as the caches keep it.
bool is_orphan(CachedObject const& object, std::string const& service);

/// Makes children be as they shall, and writes nothing where they are: what our field manager owns of the
/// live object is compared with what would be applied.
class Ensurer {
 public:
  Ensurer(Client& client, Caches& caches, std::string field_manager)
      : client_(client), caches_(caches), field_manager_(std::move(field_manager)) {}

  /// What a set of children was rendered from; equal stamps render equal children.
  struct Stamp {
    std::string owner_uid;
    std::int64_t generation = 0;
    int replicas = 0;
    /// Hash of a text that was rendered into them; the text itself, kept for each
    /// service, would be a kilobyte.
    std::size_t document = 0;
    bool operator==(Stamp const&) const = default;
  };
  using Render = std::function<std::vector<Child>()>;

  /// `group` tells a service's sets apart. Whether the children are as they were rendered: not so where a
  /// Deployment was found that the caches had lost sight of. It keeps its count, which was not known when the
  /// count of `render` was decided. Errors: AlreadyExists when a name is taken by somebody
  /// else's object, Conflict while an object of a service that had the same name is still being
  /// removed, and the server's own.
  boost::asio::awaitable<Result<bool>> ensure(api::ServiceKey service, std::string group, Stamp stamp,
                                              Render render);

  /// What is told of a child of the service that somebody else changes back again and again; null while there
  /// is none. The pointer lives until the next call.
  std::string const* contested(api::ServiceKey const& service);
  /// Whether ensure() leaves that child as it is for now, because it is contested.
  [[nodiscard]] bool waits(api::ServiceKey const& service, ResourceType const& type,
                           std::string const& name) const;

  void forget(api::ServiceKey const& service);

 private:
  /// A child as it should be, without its body.
  struct Wanted {
    std::string_view plural;  ///< of its type
    std::string name;
    std::uint64_t digest = 0;
    /// The digest of what the server made of it, where that differs: it wrote a value in another way.
    std::uint64_t accepted = 0;
  };
  struct Set {
    Stamp stamp;
    std::vector<Wanted> wanted;
  };

  struct Contested {
    std::string_view plural;
    std::string name;
    Contest pace;
    std::string told;
  };
  using Contests = std::vector<Contested>;

  /// Notes that what was written of a child is undone; tells who did it, once that lasts.
  boost::asio::awaitable<void> note_undone(Child const& child, ObjectKey key, api::ServiceKey service);
  Contested* find_contest(api::ServiceKey const& service, std::string_view plural, std::string const& name);

  /// Whether there is nothing to write. A contest of what is as it shall is told so.
  bool holds(Wanted const& wanted, api::ServiceKey const& service, std::string const& owner_uid);
  /// Whether it was written as it was rendered: not so where apply_new() keeps the count that it found.
  boost::asio::awaitable<Result<bool>> put(Child child, Wanted& wanted, ObjectKey key, std::string service,
                                           std::string owner_uid);
  boost::asio::awaitable<Client::Value> apply_ours(Child& child, ObjectKey const& key,
                                                   std::string const& service, std::string const& owner_uid);
  boost::asio::awaitable<Client::Value> apply_new(Child& child, ObjectKey const& key,
                                                  std::string const& service, std::string const& owner_uid);

  Client& client_;
  Caches& caches_;
  std::string field_manager_;
  std::map<api::ServiceKey, std::map<std::string, Set>> sets_;
  std::map<api::ServiceKey, Contests> contests_;  ///< of few services, as most are nobody else's
};

}  // namespace ei::kube
