#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "operator/api/allowed.hpp"
#include "operator/manifest/manifest.hpp"
#include "runtime/core/result.hpp"

namespace ei::backend::local {

/// A service as its manifests say: the last valid spec, and what is wrong with a newer one.
struct Declared {
  api::Metadata metadata;
  std::optional<api::Spec> spec;        ///< the last valid one
  std::vector<api::FieldError> errors;  ///< of the newest text; `path` begins with file and line
  std::string file;
};

/// What an update did.
struct Update {
  std::set<api::ServiceKey> changed;  ///< new, edited, faulty, in another file or gone
  std::vector<std::string> faults;    ///< what belongs to no service that is known
};

/// The services of all manifests that are followed. Plays the part of the API server on this machine: it
/// keeps a generation for every service, and a text that is invalid leaves what was there before. Pure.
class ManifestSet {
 public:
  explicit ManifestSet(api::Allowed allowed = api::everything_allowed()) : allowed_(std::move(allowed)) {}

  /// Takes the newest content of a file: what manifest::read_file gave. Services that a readable file no
  /// longer holds are gone, unless another file has offered them; a file that cannot be read keeps its
  /// services and tells each of them why.
  Update update(std::string const& file, Result<manifest::Contents> const& content, WallTime now);
  /// The file is not there any more: neither are its services, unless another file has offered them.
  Update remove(std::string const& file, WallTime now);

  /// Null for one that is not there. The pointer lives until the next update.
  [[nodiscard]] Declared const* find(api::ServiceKey const& key) const;
  [[nodiscard]] std::vector<api::ServiceKey> keys() const;

 private:
  void take(manifest::Entry const& entry, WallTime now, Update& update);
  /// Lets go of the file's services, all but `except`.
  void forget(std::string const& file, std::set<api::ServiceKey> const& except, WallTime now, Update& update);
  bool hand_over(api::ServiceKey const& key, Declared& declared, WallTime now, Update& update);

  api::Allowed allowed_;
  std::map<api::ServiceKey, Declared> services_;
  /// What each file held when it could last be read, the refused included: what one file gives up may be in
  /// another already (a renamed file, a document that was cut and pasted).
  std::map<std::string, std::vector<manifest::Entry>> offered_;
};

}  // namespace ei::backend::local
