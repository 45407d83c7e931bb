// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "core/mix.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::kernels {

/// The source of the random bits of rounding. They are a function of the key (random bits of seed and step), of the
/// row's number among all rows, and of the column, whoever rounds and in whatever order.
struct Rounding {
  std::uint64_t key = 0;
  std::uint64_t first_row = 0;  ///< number of row 0 of a table among the rows of all tables

  static constexpr std::uint32_t kColumnStep = 0x9E3779B9U;

  /// The key of a row, mixed once for all of its columns.
  [[nodiscard]] TESSERA_HOST_DEVICE std::uint64_t row_key(std::size_t row) const {
    return mix(key + (first_row + row) * kMixStep);
  }
  /// 16 bits for a column of the row with that key: 32 bits by a multiply-xorshift hash of low bias, the upper half.
  [[nodiscard]] TESSERA_HOST_DEVICE static std::uint32_t bits_of(std::uint64_t row_key, std::size_t column) {
    std::uint32_t word = static_cast<std::uint32_t>(row_key) + static_cast<std::uint32_t>(column) * kColumnStep;
    word = (word ^ (word >> 16U)) * 0x7FEB352DU;
    word ^= static_cast<std::uint32_t>(row_key >> 32U);
    word = (word ^ (word >> 15U)) * 0x846CA68BU;
    return word >> 16U;
  }
  /// 16 bits for element (row, column) of the table.
  [[nodiscard]] TESSERA_HOST_DEVICE std::uint32_t bits(std::size_t row, std::size_t column) const {
    return bits_of(row_key(row), column);
  }
  /// The source for the states of the same rows: other bits.
  [[nodiscard]] TESSERA_HOST_DEVICE Rounding of_state() const { return {key ^ 0xD1B54A32D192ED03U, first_row}; }
};

}  // namespace tessera::kernels
