// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/bfloat16.hpp"
#include "kernels/stored_rows.hpp"

#include <cstddef>
#include <cstdint>

// Access to rows in memory wherever a kernel body runs. Both formats have the same functions, so that a body is written
// once: row(i)[c] is an element as a float, store(i, c, value) writes one.
namespace tessera::kernels::detail {

struct ConstTable {
  const float* data;
  std::size_t stride;
  template <Space kSpace>
  explicit ConstTable(BasicConstMatrix<kSpace> matrix) : data(matrix.data), stride(matrix.stride) {}
  template <Space kSpace>
  explicit ConstTable(BasicMatrix<kSpace> matrix) : data(matrix.data), stride(matrix.stride) {}
  [[nodiscard]] TESSERA_HOST_DEVICE const float* row(std::size_t i) const { return data + i * stride; }
};

struct Table {
  float* data;
  std::size_t stride;
  template <Space kSpace>
  explicit Table(BasicMatrix<kSpace> matrix) : data(matrix.data), stride(matrix.stride) {}
  [[nodiscard]] TESSERA_HOST_DEVICE float* row(std::size_t i) const { return data + i * stride; }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const { row(i)[c] = value; }
};

/// A row in bfloat16.
struct BfloatRow {
  const std::uint16_t* data;
  TESSERA_HOST_DEVICE float operator[](std::size_t c) const { return from_bfloat16(data[c]); }
};

struct ConstBfloatTable {
  const std::uint16_t* data;
  std::size_t stride;
  template <Space kSpace>
  explicit ConstBfloatTable(BasicConstStoredRows<kSpace> rows)
      : data(reinterpret_cast<const std::uint16_t*>(rows.data)), stride(rows.stride / sizeof(std::uint16_t)) {}
  [[nodiscard]] TESSERA_HOST_DEVICE BfloatRow row(std::size_t i) const { return {data + i * stride}; }
};

struct BfloatTable {
  std::uint16_t* data;
  std::size_t stride;
  Rounding rounding;
  template <Space kSpace>
  explicit BfloatTable(BasicStoredRows<kSpace> rows)
      : data(reinterpret_cast<std::uint16_t*>(rows.data)),
        stride(rows.stride / sizeof(std::uint16_t)),
        rounding(rows.rounding) {}
  [[nodiscard]] TESSERA_HOST_DEVICE BfloatRow row(std::size_t i) const { return {data + i * stride}; }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const {
    data[i * stride + c] = round_stochastically(value, rounding.bits(i, c));
  }
};

/// Calls body(table) with the access to rows that are read.
template <Space kSpace, class Body>
void with_table(BasicConstStoredRows<kSpace> rows, const Body& body) {
  if (!rows.is_fp32()) return body(ConstBfloatTable(rows));
  body(ConstTable(rows.matrix()));
}

/// Calls body(table) with the access to rows that are written.
template <Space kSpace, class Body>
void with_table(BasicStoredRows<kSpace> rows, const Body& body) {
  if (!rows.is_fp32()) return body(BfloatTable(rows));
  body(Table(rows.matrix()));
}

}  // namespace tessera::kernels::detail
