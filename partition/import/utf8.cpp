// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/utf8.hpp"

namespace tessera::partition {
namespace {

unsigned byte_at(const char* at) { return static_cast<unsigned char>(*at); }

}  // namespace

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
