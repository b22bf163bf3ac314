#include "dispatcher/contract/picture/scan_steps.hpp"

#include <algorithm>

#include "dispatcher/contract/picture/parts.hpp"

namespace ei::dispatcher {
namespace {

constexpr std::uint64_t kBlock = 16;
constexpr std::uint64_t kArithmeticCoefficient = 8;
constexpr std::uint64_t kRestart = 64;

constexpr std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) {
  return (a + b - 1) / b;
}

struct Sampling {
  std::uint32_t across = 1;
  std::uint32_t down = 1;
};

Sampling most_samples(Frame const& frame) {
  Sampling most;
  for (std::size_t i = 0; i < frame.count; ++i) {
    most.across = std::max(most.across, frame.components[i].across);
    most.down = std::max(most.down, frame.components[i].down);
  }
  return most;
}

// T.81 A.2.2: a component by itself is coded in its own blocks, without padding to whole MCUs.
std::uint64_t blocks_alone(Frame const& frame, Frame::Component const& component) {
  auto const most = most_samples(frame);
  return divide_up(divide_up(std::uint64_t{frame.width} * component.across, most.across), 8) *
         divide_up(divide_up(std::uint64_t{frame.height} * component.down, most.down), 8);
}

std::uint64_t interleaved_units(Frame const& frame) {
  auto const most = most_samples(frame);
  return divide_up(frame.width, std::uint64_t{8} * most.across) *
         divide_up(frame.height, std::uint64_t{8} * most.down);
}

struct Scan {
  std::uint64_t blocks = 0;
  std::uint64_t units = 0;  ///< MCUs
  std::uint64_t band = 64;  ///< coefficients
  bool refines = false;
};

Frame::Component const* find(Frame const& frame, std::uint32_t id) {
  auto const* const end = frame.components.data() + frame.count;
  auto const* const found = std::find_if(
      frame.components.data(), end, [id](Frame::Component const& component) { return component.id == id; });
  return found == end ? nullptr : found;
}

// The header has one byte for the number of components, two for each, and three for the band and its bits.
bool well_formed(std::string_view header) {
  return !header.empty() && byte_at(header, 0) >= 1 && byte_at(header, 0) <= 4 &&
         header.size() == 4 + 2 * std::size_t{byte_at(header, 0)};
}

Scan read_scan(Frame const& frame, std::string_view header) {
  if (!well_formed(header)) return {blocks_in(frame), blocks_in(frame), 64, true};
  Scan scan;
  std::size_t const count = byte_at(header, 0);
  std::uint64_t dearest = 0;
  for (std::size_t i = 0; i < frame.count; ++i)
    dearest = std::max(dearest, blocks_alone(frame, frame.components[i]));
  for (std::size_t i = 0; i < count; ++i) {
    auto const* const component = find(frame, byte_at(header, 1 + 2 * i));
    if (component == nullptr) {
      scan.blocks += dearest;
    } else if (count == 1) {
      scan.blocks += blocks_alone(frame, *component);
    } else {
      scan.blocks += interleaved_units(frame) * component->across * component->down;
    }
  }
  scan.units = count == 1 ? scan.blocks : interleaved_units(frame);
  if (frame.progressive) {
    std::uint32_t const first = byte_at(header, header.size() - 3);
    std::uint32_t const last = byte_at(header, header.size() - 2);
    scan.band = last >= first && last < 64 ? last - first + 1 : 64;
    scan.refines = byte_at(header, header.size() - 1) >> 4 != 0;
  }
  return scan;
}

}  // namespace

std::uint64_t blocks_in(Frame const& frame) {
  std::uint64_t blocks = 0;
  for (std::size_t i = 0; i < frame.count; ++i)
    blocks += interleaved_units(frame) * frame.components[i].across * frame.components[i].down;
  return blocks;
}

std::uint64_t scan_steps(Frame const& frame, std::string_view header, std::uint32_t restart_interval) {
  Scan const scan = read_scan(frame, header);
  std::uint64_t const for_coefficients =
      frame.arithmetic ? kArithmeticCoefficient * scan.band : (scan.refines ? scan.band : 0);
  std::uint64_t const restarts = restart_interval == 0 ? 0 : scan.units / restart_interval;
  return scan.blocks * (kBlock + for_coefficients) + restarts * kRestart;
}

bool is_whole_picture(Frame const& frame, std::string_view header) {
  return !frame.progressive && !header.empty() && byte_at(header, 0) == frame.count;
}

}  // namespace ei::dispatcher
