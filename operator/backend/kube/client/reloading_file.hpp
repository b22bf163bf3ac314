#pragma once

#include "operator/backend/kube/client/access.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace ei::kube {

/// Text that may be replaced on disk at any time (a rotated token or certificate). It is read again every 30
/// s, which leaves a minute's promise room for a late timer; while the file is missing, empty or not
/// acceptable, the text that was good stays in force.
class ReloadingFile {
 public:
  using Acceptable = std::function<bool(std::string_view)>;
  using Reader = std::function<Result<std::string>(std::filesystem::path const&)>;

  ReloadingFile(PemSource source, Acceptable acceptable, Reader reader);

  /// The text in force. Errors: as of the reader, or Invalid, as long as there has
  /// never been an acceptable one.
  Result<std::string> read(SteadyTime now);
  /// Read again at the next call, whatever the time: the server does not take the text.
  void expire() { next_ = SteadyTime::min(); }

 private:
  PemSource source_;
  Acceptable acceptable_;
  Reader reader_;
  std::string text_;
  SteadyTime next_ = SteadyTime::min();
};

/// The reader of tokens, keys and certificates. Errors: as process::read_file.
Result<std::string> read_credential(std::filesystem::path const& path);

/// True when at least one certificate can be read and nothing that begins like one is broken.
bool holds_certificates(std::string_view pem);

/// Without blanks and line ends around it: a token file often ends with a newline.
std::string_view trimmed(std::string_view text);

}  // namespace ei::kube
