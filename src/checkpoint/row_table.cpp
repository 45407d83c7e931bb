// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/row_table.hpp"

#include "core/error.hpp"
#include "model/row_formats.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace tessera::checkpoint {
namespace {

using kernels::RowFormat;
using kernels::StateFormat;
using storage::ElementType;

constexpr const char* kRowFormat = "row_format";
constexpr const char* kStateFormat = "state_format";
constexpr const char* kHotRows = "/hot_rows";
constexpr std::size_t kRowsAtOnce = 4096;

ElementType element_of(RowFormat format) {
  if (format == RowFormat::kFp32) return ElementType::kF32;
  return format == RowFormat::kBf16 || format == RowFormat::kFp16 ? ElementType::kU16 : ElementType::kU8;
}

ElementType element_of(StateFormat format) {
  return format == StateFormat::kFp32 ? ElementType::kF32 : ElementType::kU8;
}

template <class View>
std::span<std::byte> bytes_of(const View& rows) {
  return {rows.data, rows.rows * rows.stride};
}

[[noreturn]] void refuse_format(const storage::FileReader& file, RowFormat stored, RowFormat wanted) {
  fail(ExitStatus::kUsage, "'{}' holds rows in {}, the job says run.rows = {}", file.path().string(),
       model::name(stored), model::name(wanted));
}

void require_shape(const storage::FileReader& file, const std::string& path,
                   const std::vector<std::uint64_t>& expected) {
  if (file.shape(path) != expected)
    fail(ExitStatus::kBadData, "'{}', {}: its shape is not that of the job ([{}])", file.path().string(), path,
         fmt::join(expected, ", "));
}

std::vector<std::uint64_t> shape_of(RowFormat format, std::uint64_t rows, std::uint64_t dim) {
  return {rows, kernels::row_bytes(format, dim) / storage::element_bytes(element_of(format))};
}

[[noreturn]] void refuse_scale(const storage::FileReader& file, std::uint64_t row) {
  fail(ExitStatus::kBadData, "'{}': row {} has a scale that is not finite; the file is not sound", file.path().string(),
       row);
}

/// Checks the scales of rows in groups, from row `first` of the file on.
void check_groups(const storage::FileReader& file, const kernels::ConstStoredRows& rows, std::uint64_t first) {
  const std::size_t bits = kernels::grouped_bits(rows.format);
  for (std::size_t i = 0; i < rows.rows; ++i)
    for (std::size_t g = 0; g < kernels::group_count(rows.cols); ++g)
      if (!std::isfinite(kernels::group_of(rows.row(i), rows.cols, bits, g).scale_value()))
        refuse_scale(file, first + i);
}

/// Checks int8 rows of a file, from its row `first` on: their scales, and that hot rows have the slots `slot`,
/// slot + 1, ... Returns how many are hot.
std::uint64_t check_scales(const storage::FileReader& file, const kernels::ConstStoredRows& rows, std::uint64_t first,
                           std::uint64_t slot) {
  constexpr std::uint32_t kInfinity = 0x7F800000U;
  std::uint64_t hot = 0;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const std::byte* row = rows.row(i);
    if (kernels::is_hot(row)) {
      if (rows.cols < kernels::kHotColumns || kernels::hot_slot(row) != slot + hot)
        fail(ExitStatus::kBadData, "'{}': row {} is in fp32, and not where the row before it says",
             file.path().string(), first + i);
      ++hot;
    } else if (kernels::scale_bits(row) >= kInfinity) {
      refuse_scale(file, first + i);
    }
  }
  return hot;
}

void require_hot_rows(const storage::FileReader& file, std::uint64_t marked, std::uint64_t stored) {
  if (marked > stored)
    fail(ExitStatus::kBadData, "'{}': {} rows are in fp32, {} has {}", file.path().string(), marked, kHotRows, stored);
}

void read_hot_rows(const storage::FileReader& file, const kernels::StoredRows& rows) {
  require_hot_rows(file, check_scales(file, rows, 0, 0), rows.hot.rows);
  if (rows.hot.rows == 0) return;
  require_shape(file, kHotRows, {rows.hot.rows, rows.hot.cols});
  file.read_to<float>(kHotRows, {rows.hot.data, rows.hot.rows * rows.hot.cols});
}

void read_rounded(const storage::FileReader& file, const std::string& path, const kernels::StoredRows& rows) {
  std::vector<float> memory(std::min(kRowsAtOnce, rows.rows) * rows.cols);
  for (std::size_t first = 0; first < rows.rows; first += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, rows.rows - first);
    file.read_rows<float>(path, first, count, std::span(memory).first(count * rows.cols));
    model::encode({memory.data(), count, rows.cols, rows.cols}, rows.block(first, count));
  }
}

}  // namespace

RowFormat row_format_of(const storage::FileReader& file) {
  return model::find_row_format(file.find_string("/", kRowFormat).value_or("fp32"));
}

storage::DatasetWriter start_rows(storage::FileWriter& file, const std::string& path, RowFormat format,
                                  std::uint64_t rows, std::uint64_t dim) {
  file.attribute("/", kRowFormat, std::string(model::name(format)));
  const char* what = format == RowFormat::kFp32 ? "entity rows, one after the other"
                                                : "entity rows as row_format says, one after the other";
  return file.dataset(path, element_of(format), shape_of(format, rows, dim), {what});
}

void write_rows(storage::FileWriter& file, const std::string& path, const kernels::ConstStoredRows& rows) {
  auto table = start_rows(file, path, rows.format, rows.rows, rows.cols);
  table.append(std::span(rows.data, rows.rows * rows.stride));
  table.finish();
  if (rows.hot.rows > 0)
    file.write<float>(kHotRows, {rows.hot.data, rows.hot.rows * rows.hot.cols}, {"rows that are in fp32, by slot"},
                      {rows.hot.rows, rows.hot.cols});
}

void read_rows(const storage::FileReader& file, const std::string& path, const kernels::StoredRows& rows) {
  const RowFormat format = row_format_of(file);
  require_shape(file, path, shape_of(format, rows.rows, rows.cols));
  if (format == rows.format) {
    file.read_into(path, element_of(format), bytes_of(rows));
    if (format == RowFormat::kInt8) read_hot_rows(file, rows);
    if (kernels::is_grouped(format)) check_groups(file, rows, 0);
    return;
  }
  if (format != RowFormat::kFp32) refuse_format(file, format, rows.format);
  read_rounded(file, path, rows);
}

void read_rows(const storage::FileReader& file, const std::string& path, const model::Parameters& parameters,
               model::PartTable& table) {
  model::TableStore* const store = parameters.store();
  const bool has_memory = table.rows.data != nullptr;
  if (store == nullptr || !store->maps_files() || has_memory) return read_rows(file, path, table.rows);
  const kernels::StoredRows& rows = table.rows;
  const RowFormat format = row_format_of(file);
  if (format != rows.format) refuse_format(file, format, rows.format);
  require_shape(file, path, shape_of(format, rows.rows, rows.cols));
  if (rows.hot.rows > 0) require_shape(file, kHotRows, {rows.hot.rows, rows.hot.cols});
  const auto rows_offset = file.offset(path);
  const auto hot_offset = rows.hot.rows > 0 ? file.offset(kHotRows) : 0;
  if (!rows_offset || !hot_offset)
    fail(ExitStatus::kBadData, "'{}', {}: must lie in one piece", file.path().string(), path);
  store->map(table, {file.path(), *rows_offset, *hot_offset});
  if (format == RowFormat::kInt8) require_hot_rows(file, check_scales(file, table.rows, 0, 0), table.rows.hot.rows);
}

void write_state(storage::FileWriter& file, const std::string& path, const kernels::StoredState& state) {
  if (state.data == nullptr) return;
  file.attribute("/", kStateFormat, std::string(model::name(state.format)));
  auto table = file.dataset(path, element_of(state.format), {state.rows, state.cols}, {"optimiser state of the rows"});
  table.append(std::span<const std::byte>(bytes_of(state)));
  table.finish();
}

void read_state(const storage::FileReader& file, const std::string& path, const kernels::StoredState& state) {
  if (state.data == nullptr) return;
  const StateFormat format = model::find_state_format(file.find_string("/", kStateFormat).value_or("fp32"));
  if (format != state.format)
    fail(ExitStatus::kUsage, "'{}' holds optimiser states in {}, the job says optimiser.state = {}",
         file.path().string(), model::name(format), model::name(state.format));
  require_shape(file, path, {state.rows, state.cols});
  file.read_into(path, element_of(format), bytes_of(state));
}

RowTableReader::RowTableReader(const storage::FileReader& file, std::string path, std::uint64_t rows, std::uint64_t dim)
    : file_(file), path_(std::move(path)), format_(row_format_of(file)), dim_(dim) {
  require_shape(file_, path_, shape_of(format_, rows, dim));
}

kernels::ConstStoredRows RowTableReader::read_stored(std::size_t count) {
  const std::size_t stride = kernels::row_bytes(format_, dim_);
  bytes_.resize(count * stride);
  file_.read_block(path_, element_of(format_), next_, count, bytes_);
  kernels::ConstStoredRows rows(format_, bytes_.data(), count, dim_, stride);
  if (format_ == RowFormat::kInt8) rows.hot = read_hot(count);
  if (kernels::is_grouped(format_)) check_groups(file_, rows, next_);
  next_ += count;
  return rows;
}

void RowTableReader::read_next(const kernels::Matrix& out) { model::decode(read_stored(out.rows), out); }

// The hot rows among those that were read; their slots count from 0 afterwards.
kernels::ConstMatrix RowTableReader::read_hot(std::size_t rows) {
  const kernels::StoredRows stored(format_, bytes_.data(), rows, dim_, bytes_.size() / rows);
  const std::uint64_t count = check_scales(file_, stored, next_, next_slot_);
  if (count == 0) return {};
  require_hot_rows(file_, next_slot_ + count, file_.shape(kHotRows).front());
  require_shape(file_, kHotRows, {file_.shape(kHotRows).front(), dim_});
  hot_.resize(count * dim_);
  file_.read_rows<float>(kHotRows, next_slot_, count, hot_);
  next_slot_ += count;
  std::uint32_t slot = 0;
  for (std::size_t i = 0; i < rows; ++i)
    if (kernels::is_hot(stored.row(i))) kernels::mark_hot(stored.row(i), slot++, dim_);
  return {hot_.data(), count, dim_, dim_};
}

}  // namespace tessera::checkpoint
