// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::attributes {

/// How the values of a column are packed (docs/formats/attributes.md).
enum class Encoding : std::uint8_t {
  kDecimal,     ///< whole numbers and decimals as whole numbers
  kSplit,       ///< decimals with few different digits behind the point
  kDate,        ///< days
  kDouble,      ///< IEEE doubles
  kDictionary,  ///< distinct texts, and which of them each value is
  kBlocks,      ///< blocks of text
};
/// "decimal", "split", ...
const char* name(Encoding encoding);
inline constexpr std::uint8_t kEncodings = 6;

}  // namespace tessera::attributes
