#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ei::dispatcher {

/// What a JPEG's frame header announces, as far as its scans cost by it.
struct Frame {
  struct Component {
    std::uint32_t id = 0;
    std::uint32_t across = 1;  ///< sampling factors, 1 to 4
    std::uint32_t down = 1;
  };
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::array<Component, 4> components{};
  std::size_t count = 0;
  bool progressive = false;
  bool arithmetic = false;
};

/// The frame's 8×8 blocks, of all components.
[[nodiscard]] std::uint64_t blocks_in(Frame const& frame);

/// What a decoder does for one scan at most, in steps of about 1.2 ns of a 3 GHz core, whatever the scan's
/// data is, none included:
///
///   16  for each block, as a scan without data still passes all of them
///    1  for each coefficient of its band, in a refining scan, which looks at all that are known
///    8  for each coefficient of its band where the coding is arithmetic: one decision at least
///   64  for each restart: after `restart_interval` MCUs, 0 for none
///
/// `header` is the SOS segment without its length. A component that the frame lacks counts as the dearest
/// one, a malformed header as a scan of everything: the decoder will say what is wrong.
[[nodiscard]] std::uint64_t scan_steps(Frame const& frame, std::string_view header,
                                       std::uint32_t restart_interval);

/// Whether the scan is all that a decoder needs: of a sequential picture, with every component.
[[nodiscard]] bool is_whole_picture(Frame const& frame, std::string_view header);

}  // namespace ei::dispatcher
