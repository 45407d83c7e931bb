// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera::partition {

/// Appends the UTF-8 form of a Unicode scalar value; false (and nothing appended) for surrogates and beyond U+10FFFF.
bool append_utf8(std::uint32_t code_point, std::string& out);

/// The scalar value at the start of well-formed, non-empty UTF-8 and its length.
struct DecodedCharacter {
  std::uint32_t code_point;
  std::size_t bytes;
};
DecodedCharacter decode_utf8(std::string_view text);

}  // namespace tessera::partition
