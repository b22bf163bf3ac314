// What torch.save (1.13) wrote for
//   {"epoch": 3, "state_dict": OrderedDict(module.a=tensor([[1, 2], [3, 4]]).t(), module.b=tensor([5]),
//                                          c=Parameter(tensor([0.5, -0.25]).half()))}
// in its present format (ZIP) and in the one before PyTorch 1.6. Base64.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "inference/checkpoint/tensors.hpp"
#include "runtime/core/encoding.hpp"

namespace ei::test {

inline constexpr std::string_view kTorchZip =
    "UEsDBAAACAgAAAAAAAAAAAAAAAAAAAAAAAAQABIAYXJjaGl2ZS9kYXRhLnBrbEZCDgBaWlpaWlpaWlpaWlpaWoACfXEAKFgFAAAA"
    "ZXBvY2hxAUsDWAoAAABzdGF0ZV9kaWN0cQJjY29sbGVjdGlvbnMKT3JkZXJlZERpY3QKcQMpUnEEKFgIAAAAbW9kdWxlLmFxBWN0"
    "b3JjaC5fdXRpbHMKX3JlYnVpbGRfdGVuc29yX3YyCnEGKChYBwAAAHN0b3JhZ2VxB2N0b3JjaApGbG9hdFN0b3JhZ2UKcQhYAQAA"
    "ADBxCVgDAAAAY3B1cQpLBHRxC1FLAEsCSwKGcQxLAUsChnENiWgDKVJxDnRxD1JxEFgIAAAAbW9kdWxlLmJxEWgGKChoB2N0b3Jj"
    "aApMb25nU3RvcmFnZQpxElgBAAAAMXETaApLAXRxFFFLAEsBhXEVSwGFcRaJaAMpUnEXdHEYUnEZWAEAAABjcRpjdG9yY2guX3V0"
    "aWxzCl9yZWJ1aWxkX3BhcmFtZXRlcgpxG2gGKChoB2N0b3JjaApIYWxmU3RvcmFnZQpxHFgBAAAAMnEdaApLAnRxHlFLAEsChXEf"
    "SwGFcSCJaAMpUnEhdHEiUnEjiGgDKVJxJIdxJVJxJnV1LlBLBwjCXmIdpAEAAKQBAABQSwMEAAAICAAAAAAAAAAAAAAAAAAAAAAA"
    "AA4AIABhcmNoaXZlL2RhdGEvMEZCHABaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaAACAPwAAAEAAAEBAAACAQFBLBwhUFKeL"
    "EAAAABAAAABQSwMEAAAICAAAAAAAAAAAAAAAAAAAAAAAAA4ANABhcmNoaXZlL2RhdGEvMUZCMABaWlpaWlpaWlpaWlpaWlpaWlpa"
    "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWloFAAAAAAAAAFBLBwgN0cItCAAAAAgAAABQSwMEAAAICAAAAAAAAAAAAAAAAAAA"
    "AAAAAA4APABhcmNoaXZlL2RhdGEvMkZCOABaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa"
    "WlpaWlpaWgA4ALRQSwcIoRwwxwQAAAAEAAAAUEsDBAAACAgAAAAAAAAAAAAAAAAAAAAAAAAPAD8AYXJjaGl2ZS92ZXJzaW9uRkI7"
    "AFpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaMwpQSwcI0Z5nVQIAAAAC"
    "AAAAUEsBAgAAAAAICAAAAAAAAMJeYh2kAQAApAEAABAAAAAAAAAAAAAAAAAAAAAAAGFyY2hpdmUvZGF0YS5wa2xQSwECAAAAAAgI"
    "AAAAAAAAVBSnixAAAAAQAAAADgAAAAAAAAAAAAAAAAD0AQAAYXJjaGl2ZS9kYXRhLzBQSwECAAAAAAgIAAAAAAAADdHCLQgAAAAI"
    "AAAADgAAAAAAAAAAAAAAAABgAgAAYXJjaGl2ZS9kYXRhLzFQSwECAAAAAAgIAAAAAAAAoRwwxwQAAAAEAAAADgAAAAAAAAAAAAAA"
    "AADYAgAAYXJjaGl2ZS9kYXRhLzJQSwECAAAAAAgIAAAAAAAA0Z5nVQIAAAACAAAADwAAAAAAAAAAAAAAAABUAwAAYXJjaGl2ZS92"
    "ZXJzaW9uUEsGBiwAAAAAAAAAHgMtAAAAAAAAAAAABQAAAAAAAAAFAAAAAAAAAC8BAAAAAAAA0gMAAAAAAABQSwYHAAAAAAEFAAAA"
    "AAAAAQAAAFBLBQYAAAAABQAFAC8BAADSAwAAAAA=";

inline constexpr std::string_view kTorchLegacy =
    "gAKKCmz8nEb5IGqoUBkugAJN6QMugAJ9cQAoWBAAAABwcm90b2NvbF92ZXJzaW9ucQFN6QNYDQAAAGxpdHRsZV9lbmRpYW5xAohY"
    "CgAAAHR5cGVfc2l6ZXNxA31xBChYBQAAAHNob3J0cQVLAlgDAAAAaW50cQZLBFgEAAAAbG9uZ3EHSwR1dS6AAn1xAChYBQAAAGVw"
    "b2NocQFLA1gKAAAAc3RhdGVfZGljdHECY2NvbGxlY3Rpb25zCk9yZGVyZWREaWN0CnEDKVJxBChYCAAAAG1vZHVsZS5hcQVjdG9y"
    "Y2guX3V0aWxzCl9yZWJ1aWxkX3RlbnNvcl92MgpxBigoWAcAAABzdG9yYWdlcQdjdG9yY2gKRmxvYXRTdG9yYWdlCnEIWAkAAAA2"
    "MzIwNDE1NjhxCVgDAAAAY3B1cQpLBE50cQtRSwBLAksChnEMSwFLAoZxDYloAylScQ50cQ9ScRBYCAAAAG1vZHVsZS5icRFoBigo"
    "aAdjdG9yY2gKTG9uZ1N0b3JhZ2UKcRJYCQAAADY5Mzc3NzIxNnETaApLAU50cRRRSwBLAYVxFUsBhXEWiWgDKVJxF3RxGFJxGVgB"
    "AAAAY3EaY3RvcmNoLl91dGlscwpfcmVidWlsZF9wYXJhbWV0ZXIKcRtoBigoaAdjdG9yY2gKSGFsZlN0b3JhZ2UKcRxYCQAAADYz"
    "MjE1NjQ0OHEdaApLAk50cR5RSwBLAoVxH0sBhXEgiWgDKVJxIXRxIlJxI4hoAylScSSHcSVScSZ1dS6AAl1xAChYCQAAADYzMjA0"
    "MTU2OHEBWAkAAAA2MzIxNTY0NDhxAlgJAAAANjkzNzc3MjE2cQNlLgQAAAAAAAAAAACAPwAAAEAAAEBAAACAQAIAAAAAAAAAADgA"
    "tAEAAAAAAAAABQAAAAAAAAA=";

inline std::span<const std::byte> bytes_of(std::string const& text) {
  return std::as_bytes(std::span<char const>(text.data(), text.size()));
}

inline std::string safetensors(std::string const& header, std::string const& data) {
  std::uint64_t const length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + header + data;
}

template <class T>
T first_element(inference::TensorView const& tensor) {
  T value;
  std::memcpy(&value, tensor.bytes.data(), sizeof value);
  return value;
}

inline std::string message(Result<inference::StateDict> const& result) {
  return result ? "no error" : result.error().message;
}

inline std::string torch_file(std::string_view base64) {
  return base64_decode(base64).value();
}

}  // namespace ei::test
