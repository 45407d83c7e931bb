// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/row_conversion.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>

namespace tessera::model {
namespace {

using kernels::RowFormat;

constexpr std::size_t kRowsAtOnce = 256;

constexpr std::array<RowFormat, 2> kFormats = {RowFormat::kFp32, RowFormat::kBf16};

}  // namespace

RowFormat find_row_format(const std::string& name) {
  for (const RowFormat format : kFormats)
    if (name == model::name(format)) return format;
  fail(ExitStatus::kBadData, "rows in format '{}' are not known", name);
}

const char* name(RowFormat format) {
  switch (format) {
    case RowFormat::kFp32: return "fp32";
    case RowFormat::kBf16: return "bf16";
  }
  return "";
}

std::size_t row_bytes(RowFormat format, std::size_t dim) { return dim * kernels::element_bytes(format); }

void decode(kernels::ConstStoredRows rows, kernels::Matrix out) {
  std::array<std::uint32_t, kRowsAtOnce> counting;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::iota(counting.begin(), counting.end(), 0U);
  for (std::size_t first = 0; first < rows.rows; first += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, rows.rows - first);
    kernels::cpu_backend().rows.gather(rows.block(first, count), std::span(counting).first(count),
                                       out.block(first, count));
  }
}

void encode(kernels::ConstMatrix rows, kernels::StoredRows out) {
  for (std::size_t i = 0; i < rows.rows; ++i) {
    std::byte* row = out.data + i * out.stride;
    if (out.is_fp32())
      std::memcpy(row, rows.row(i), rows.cols * sizeof(float));
    else
      std::transform(rows.row(i), rows.row(i) + rows.cols, reinterpret_cast<std::uint16_t*>(row), kernels::to_bfloat16);
  }
}

}  // namespace tessera::model
