// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/scorer.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera::foreign {

/// How the parts of complex numbers and quaternions lie in a row of another program.
enum class Parts {
  kHalves,       ///< all real parts, then all imaginary ones, as here
  kInterleaved,  ///< the parts of a number side by side, as in an array of complex numbers
};

/// How relation rows and those of the inverse relations lie in a table of 2 R rows.
enum class Inverses {
  kHalves,       ///< row r, and row r + R
  kInterleaved,  ///< rows 2 r and 2 r + 1
};

/// row = the row with its numbers as Tessera has them; `units` are the parts of a number: 1, 2 or 4.
void to_halves(std::span<float> row, std::size_t units, std::vector<float>& scratch);

/// Angles of complex numbers of length 1 in halves: out[n] of row[2 n]. Throws Error(kBadData), with `where`, for a
/// number of another length.
void to_angles(std::span<const float> row, std::span<float> out, const std::string& where);

/// The row of the inverse relation, for models where it follows from that of the relation: (h, r, t) and (t, inverse,
/// h) score alike. Throws Error(kUsage) for a model where it does not.
std::vector<float> inverse_row(const model::Scorer& scorer, std::span<const float> row, std::size_t dim);

}  // namespace tessera::foreign
