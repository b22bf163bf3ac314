#pragma once

#include <string_view>

namespace ei::api {

/// A label's or an annotation's name as Kubernetes wants it (IsQualifiedName): at most 63 letters, digits,
/// `-`, `_` and `.` with a letter or digit at both ends, and before it possibly a DNS name of at most 253
/// characters and a slash: `disk`, `example.com/disk`.
[[nodiscard]] bool is_label_name(std::string_view text);

/// A label's value: empty, or as the part of a name after the slash.
[[nodiscard]] bool is_label_value(std::string_view text);

/// Names that spec.*.labels may not have: by these a service's own pods are found.
[[nodiscard]] bool is_reserved_label(std::string_view name);
inline constexpr std::string_view kNoReservedLabel =
    "no label of the operator's own: pod-template-hash, and what is under elasticinference.dev/ and "
    "app.kubernetes.io/";

/// Names that spec.*.annotations may not have: the operator's own, and those that stand for a field of a pod
/// which the operator sets, or which the API server reads.
[[nodiscard]] bool is_reserved_annotation(std::string_view name);
inline constexpr std::string_view kNoReservedAnnotation =
    "no annotation of the operator's or of Kubernetes' own: what is under elasticinference.dev/, "
    "kubernetes.io/, and under names that end with .alpha.kubernetes.io/ or .beta.kubernetes.io/";

/// 1 to 128 letters, digits and `_`, the first no digit.
[[nodiscard]] bool is_env_name(std::string_view text);

/// Variables that the operator sets, that Kubernetes sets, or that make a program load other code.
[[nodiscard]] bool is_reserved_env(std::string_view name);
inline constexpr std::string_view kNoReservedEnv =
    "no variable that is set already, or that loads other code: POD_NAME, GCONV_PATH, GLIBC_TUNABLES, and "
    "what "
    "begins with KUBERNETES_, LD_ or OPENSSL_";

}  // namespace ei::api
