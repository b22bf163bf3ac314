#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::process {
namespace asio = boost::asio;

/// Runs `work` on this thread until it ends, then stops the context; its value is the program's exit code.
/// What it throws is logged as `failed`, and the code is 1.
[[nodiscard]] int run_to_end(asio::io_context& context, asio::awaitable<int> work);

/// Raises the limit on open descriptors to what is permitted: every connection is one, and shells often allow
/// 1024 and permit many more.
void allow_many_descriptors();
/// How many may be open now.
[[nodiscard]] std::size_t max_descriptors();

/// Writes the ports that a program listens on as one JSON object, whole or not at all; no file where the path
/// is empty. Errors: Io.
using Ports = std::vector<std::pair<std::string_view, std::uint16_t>>;
[[nodiscard]] Result<void> write_ports(std::filesystem::path const& file, Ports ports);

/// The token in a file, without the white space behind it; empty where the path is. Errors: NotFound, Io,
/// Invalid where there is no token in it, Protocol where it is no token by its size.
[[nodiscard]] Result<std::string> read_token(std::filesystem::path const& file);

}  // namespace ei::process
