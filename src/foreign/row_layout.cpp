// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "foreign/row_layout.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::foreign {

void to_halves(std::span<float> row, std::size_t units, std::vector<float>& scratch) {
  scratch.assign(row.begin(), row.end());
  const std::size_t numbers = row.size() / units;
  for (std::size_t i = 0; i < numbers; ++i)
    for (std::size_t part = 0; part < units; ++part) row[part * numbers + i] = scratch[i * units + part];
}

void to_angles(std::span<const float> row, std::span<float> out, const std::string& where) {
  constexpr float kTolerance = 1e-3F;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float real = row[i];
    const float imaginary = row[out.size() + i];
    if (!(std::abs(std::hypot(real, imaginary) - 1) < kTolerance))
      fail(ExitStatus::kBadData,
           "{}: a relation of 'rotate' is angles, or complex numbers of length 1; number {} is {} + {} i", where, i,
           real, imaginary);
    out[i] = std::atan2(imaginary, real);
  }
}

std::vector<float> inverse_row(const model::Scorer& scorer, std::span<const float> row, std::size_t dim) {
  std::vector<float> inverse(row.begin(), row.end());
  const auto negate_from = [&](std::size_t first) {
    for (std::size_t k = first; k < inverse.size(); ++k) inverse[k] = 0 - inverse[k];
  };
  using kernels::Formula;
  switch (scorer.formula()) {
    case Formula::kDistMult: return inverse;
    case Formula::kTransE:
    case Formula::kRotatE: negate_from(0); return inverse;
    case Formula::kComplEx: negate_from(row.size() / 2); return inverse;
    case Formula::kQuatE: negate_from(row.size() / 4); return inverse;
    case Formula::kSimplE:
      std::rotate(inverse.begin(), inverse.begin() + static_cast<std::ptrdiff_t>(row.size() / 2), inverse.end());
      return inverse;
    case Formula::kRescal:
      if (scorer.has_core()) break;
      for (std::size_t i = 0; i < dim; ++i)
        for (std::size_t k = 0; k < dim; ++k) inverse[i * dim + k] = row[k * dim + i];
      return inverse;
    case Formula::kCp: break;
  }
  fail(ExitStatus::kUsage, "the relations of model '{}' need rows of their own for their inverses: give 2 R rows",
       scorer.name());
}

}  // namespace tessera::foreign
