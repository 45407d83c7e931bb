// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/text.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace tessera::text {

std::string with_thousands(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string bytes(std::uint64_t value) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double scaled = static_cast<double>(value);
  std::size_t unit = 0;
  while (scaled >= 1023.95 && unit + 1 < kUnits.size()) {  // 1023.95 would be shown as 1024.0
    scaled /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", value) : fmt::format("{:.1f} {}", scaled, kUnits.at(unit));
}

namespace {

/// "4 GiB": a number, and its unit without spaces; NaN where no number is.
std::pair<double, std::string> split_unit(std::string_view value) {
  double number = std::numeric_limits<double>::quiet_NaN();
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  std::string unit(end, value.data() + value.size());
  std::erase_if(unit, [](unsigned char c) { return std::isspace(c) != 0; });
  if (error != std::errc()) number = std::numeric_limits<double>::quiet_NaN();
  return {number, unit};
}

}  // namespace

double parse_duration(std::string_view value, std::string_view what) {
  const auto [number, unit] = split_unit(value);
  double seconds = std::numeric_limits<double>::quiet_NaN();
  if (unit == "s") seconds = number;
  if (unit == "min") seconds = 60 * number;
  if (unit == "h") seconds = 3600 * number;
  if (unit.empty() && number == 0) seconds = 0;
  if (!(seconds >= 0 && seconds < 1e9))
    fail(ExitStatus::kUsage, "{}: '{}' is not a duration; write for example \"90s\", \"10min\" or \"2h\"", what, value);
  return seconds;
}

std::uint64_t parse_bytes(std::string_view value, std::string_view what) {
  const auto [number, unit] = split_unit(value);
  static const std::array<std::pair<const char*, double>, 9> units = {{{"", 1.0},
                                                                       {"B", 1.0},
                                                                       {"KiB", 1024.0},
                                                                       {"MiB", 1048576.0},
                                                                       {"GiB", 1073741824.0},
                                                                       {"TiB", 1099511627776.0},
                                                                       {"KB", 1e3},
                                                                       {"MB", 1e6},
                                                                       {"GB", 1e9}}};
  const auto* found =
      std::find_if(units.begin(), units.end(), [&, &unit = unit](const auto& u) { return unit == u.first; });
  if (found == units.end() || !(number * found->second >= 1) || number * found->second > 9e18)
    fail(ExitStatus::kUsage, "{}: '{}' is not a size; write for example \"512MiB\" or \"4GiB\"", what, value);
  return static_cast<std::uint64_t>(number * found->second);
}

std::string duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Optimal string alignment, three rows.
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080ULL;

unsigned byte_at(const char* at) { return static_cast<unsigned char>(*at); }

const char* skip_ascii(const char* at, const char* end) {
  for (; end - at >= 32; at += 32) {
    std::array<std::uint64_t, 4> words;
    std::memcpy(words.data(), at, sizeof(words));
    if (((words[0] | words[1] | words[2] | words[3]) & kHighBits) != 0) break;
  }
  while (at != end && byte_at(at) < 0x80U) ++at;
  return at;
}

// Length of the well-formed sequence of two to four bytes at `at`, 0 when there is none (Unicode 15, table 3-7).
std::size_t sequence_bytes(const char* at, const char* end) {
  const std::ptrdiff_t left = end - at;
  const unsigned lead = byte_at(at);
  const auto in = [&](std::ptrdiff_t i, unsigned low, unsigned high) {
    return i < left && byte_at(at + i) >= low && byte_at(at + i) <= high;
  };
  if (lead < 0xC2U || lead > 0xF4U) return 0;
  if (lead < 0xE0U) return in(1, 0x80, 0xBF) ? 2 : 0;
  if (lead < 0xF0U) {
    const bool second = in(1, lead == 0xE0U ? 0xA0 : 0x80, lead == 0xEDU ? 0x9F : 0xBF);
    return second && in(2, 0x80, 0xBF) ? 3 : 0;
  }
  const bool second = in(1, lead == 0xF0U ? 0x90 : 0x80, lead == 0xF4U ? 0x8F : 0xBF);
  return second && in(2, 0x80, 0xBF) && in(3, 0x80, 0xBF) ? 4 : 0;
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view bytes) {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  const char* at = begin;
  for (;;) {
    at = skip_ascii(at, end);
    for (; at != end && byte_at(at) >= 0x80U;) {
      const std::size_t length = sequence_bytes(at, end);
      if (length == 0) return static_cast<std::size_t>(at - begin);
      at += length;
    }
    if (at == end) return std::string_view::npos;
  }
}

std::string escaped(std::string_view bytes) {
  std::string out;
  for (;;) {
    const std::size_t invalid = find_invalid_utf8(bytes);
    out += bytes.substr(0, invalid);
    if (invalid == std::string_view::npos) return out;
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[invalid]));
    bytes.remove_prefix(invalid + 1);
  }
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string tsv_field(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\t': out += "\\t"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\\': out += "\\\\"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace tessera::text
