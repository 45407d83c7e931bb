// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/row_table.hpp"

#include "core/error.hpp"
#include "model/parameters.hpp"
#include "model/row_conversion.hpp"

#include <algorithm>
#include <utility>

namespace tessera::checkpoint {
namespace {

using kernels::RowFormat;
using storage::ElementType;

constexpr const char* kRowFormat = "row_format";
constexpr std::size_t kRowsAtOnce = 4096;

ElementType element_of(RowFormat format) {
  switch (format) {
    case RowFormat::kFp32: return ElementType::kF32;
    case RowFormat::kBf16: return ElementType::kU16;
  }
  fail(ExitStatus::kInternal, "a format of rows without an element type");
}

std::uint64_t columns_of(RowFormat format, std::size_t stride) {
  return stride / storage::element_bytes(element_of(format));
}

// Files of version 1 do not say it.
RowFormat format_of(const storage::FileReader& file) {
  return model::find_row_format(file.find_string("/", kRowFormat).value_or("fp32"));
}

void require_shape(const storage::FileReader& file, const std::string& path, RowFormat format, std::uint64_t rows,
                   std::uint64_t dim) {
  const std::uint64_t columns = columns_of(format, model::row_bytes(format, dim));
  if (file.shape(path) != std::vector<std::uint64_t>{rows, columns})
    fail(ExitStatus::kBadData, "'{}', {}: not a table of {} rows of {} reals in {} ([{}, {}])", file.path().string(),
         path, rows, dim, model::name(format), rows, columns);
}

std::span<std::byte> bytes_of(const kernels::StoredRows& rows) { return {rows.data, rows.rows * rows.stride}; }

void read_rounded(const storage::FileReader& file, const std::string& path, const kernels::StoredRows& rows) {
  std::vector<float> memory(std::min(kRowsAtOnce, rows.rows) * rows.cols);
  for (std::size_t first = 0; first < rows.rows; first += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, rows.rows - first);
    file.read_rows<float>(path, first, count, std::span(memory).first(count * rows.cols));
    model::encode({memory.data(), count, rows.cols, rows.cols}, rows.block(first, count));
  }
}

}  // namespace

void write_rows(storage::FileWriter& file, const std::string& path, const kernels::ConstStoredRows& rows) {
  file.attribute("/", kRowFormat, std::string(model::name(rows.format)));
  auto table =
      file.dataset(path, element_of(rows.format), {rows.rows, columns_of(rows.format, rows.stride)},
                   {rows.is_fp32() ? "entity rows, by local row of the part"
                                   : "entity rows as row_format says, by local row of the part"});
  table.append(std::span(rows.data, rows.rows * rows.stride));
  table.finish();
}

void read_rows(const storage::FileReader& file, const std::string& path, const kernels::StoredRows& rows) {
  const RowFormat format = format_of(file);
  require_shape(file, path, format, rows.rows, rows.cols);
  if (format == rows.format) return file.read_into(path, element_of(format), bytes_of(rows));
  if (format != RowFormat::kFp32)
    fail(ExitStatus::kUsage, "'{}' holds rows in {}, the job says run.rows = {}", file.path().string(),
         model::name(format), model::name(rows.format));
  read_rounded(file, path, rows);
}

RowTableReader::RowTableReader(const storage::FileReader& file, std::string path, std::uint64_t rows, std::uint64_t dim)
    : file_(file), path_(std::move(path)), format_(format_of(file)) {
  require_shape(file_, path_, format_, rows, dim);
}

void RowTableReader::read(std::uint64_t first, const kernels::Matrix& out) {
  if (format_ == RowFormat::kFp32) return file_.read_rows<float>(path_, first, out.rows, {out.data, out.rows * out.cols});
  const std::size_t stride = model::row_bytes(format_, out.cols);
  bytes_.resize(out.rows * stride);
  file_.read_block(path_, element_of(format_), first, out.rows, bytes_);
  model::decode({format_, bytes_.data(), out.rows, out.cols, stride}, out);
}

}  // namespace tessera::checkpoint
