// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "packing/bits.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::attributes::detail {

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;

/// Columns begin at multiples of this, so that words in them are aligned.
inline constexpr std::size_t kAlignment = 8;

inline void put_varint(Bytes& out, std::uint64_t value) {
  for (; value >= 128; value >>= 7U) out.push_back(static_cast<std::uint8_t>(value | 128U));
  out.push_back(static_cast<std::uint8_t>(value));
}

inline void put_text(Bytes& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }

inline void put_bytes(Bytes& out, ByteSpan bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

inline void align(Bytes& out) { out.resize((out.size() + kAlignment - 1) / kAlignment * kAlignment); }

/// A file says something that cannot be. Whoever knows the file and the column adds them (located()).
class Damage : public Error {
 public:
  explicit Damage(std::string_view what) : Error(ExitStatus::kBadData, std::string(what)) {}
};
[[noreturn]] inline void damaged(std::string_view what) { throw Damage(what); }

/// Calls work(); what it finds damaged is damaged at `where`.
template <class Work>
auto located(const std::string& where, const Work& work) {
  try {
    return work();
  } catch (const Damage& damage) {
    fail(ExitStatus::kBadData, "{}: {}", where, damage.what());
  }
}

/// Reads bytes from front to back; throws Error(kBadData) instead of passing their end. The bytes begin at a multiple
/// of kAlignment and have packing::kPadding readable ones behind them.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : bytes_(bytes) {}

  std::uint8_t byte() { return take(1)[0]; }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint64_t next = byte();
      value |= (next & 127U) << shift;
      if (next < 128) return value;
    }
    damaged("a number is too long");
  }
  /// A number that may be at most `most`.
  std::uint64_t varint(std::uint64_t most, std::string_view what) {
    const std::uint64_t value = varint();
    if (value > most) damaged(what);
    return value;
  }
  ByteSpan take(std::uint64_t count) {
    if (count > bytes_.size() - at_) damaged("it is shorter than it says");
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }
  std::string_view text(std::uint64_t count) {
    const ByteSpan bytes = take(count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void align() { take((kAlignment - at_ % kAlignment) % kAlignment); }
  [[nodiscard]] ByteSpan rest() const { return bytes_.subspan(at_); }
  [[nodiscard]] std::size_t position() const { return at_; }

 private:
  ByteSpan bytes_;
  std::size_t at_ = 0;
};

}  // namespace tessera::attributes::detail
