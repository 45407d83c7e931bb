// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/utf8.hpp"

#include <array>
#include <cstring>

namespace tessera::partition {
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

bool append_utf8(std::uint32_t code_point, std::string& out) {
  const auto put = [&](std::uint32_t value) { out.push_back(static_cast<char>(value)); };
  const auto tail = [&](unsigned shift) { put(0x80U | ((code_point >> shift) & 0x3FU)); };
  if (code_point < 0x80U) {
    put(code_point);
  } else if (code_point < 0x800U) {
    put(0xC0U | (code_point >> 6U));
    tail(0);
  } else if (code_point < 0x10000U) {
    if (code_point >= 0xD800U && code_point <= 0xDFFFU) return false;
    put(0xE0U | (code_point >> 12U));
    tail(6);
    tail(0);
  } else {
    if (code_point > 0x10FFFFU) return false;
    put(0xF0U | (code_point >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
  return true;
}

DecodedCharacter decode_utf8(std::string_view text) {
  const unsigned lead = byte_at(text.data());
  if (lead < 0x80U) return {lead, 1};
  const std::size_t length = lead < 0xE0U ? 2 : lead < 0xF0U ? 3 : 4;
  std::uint32_t code_point = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) code_point = (code_point << 6U) | (byte_at(text.data() + i) & 0x3FU);
  return {code_point, length};
}

}  // namespace tessera::partition
