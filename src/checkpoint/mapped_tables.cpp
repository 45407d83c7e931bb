// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/mapped_tables.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <utility>

namespace tessera::checkpoint {
namespace {

constexpr std::uint64_t kMostSmallBytes = std::uint64_t{1} << 16U;

// The kernels read whole numbers where the file has them.
std::byte* bytes_at(const storage::MappedFile& file, const std::filesystem::path& path, std::uint64_t offset,
                    std::uint64_t count) {
  const std::uint64_t size = file.bytes().size();
  if (offset > size || count > size - offset || offset % alignof(float) != 0)
    fail(ExitStatus::kBadData, "'{}' is too short for its rows, or they do not begin at a multiple of {} bytes",
         path.string(), alignof(float));
  return file.bytes().data() + offset;
}

}  // namespace

std::span<std::byte> MappedTables::allocate(PartId part, std::uint64_t bytes) {
  if (bytes > kMostSmallBytes) return {};
  return small_.insert_or_assign(part, std::vector<std::byte>(std::max<std::uint64_t>(1, bytes))).first->second;
}

void MappedTables::map(model::PartTable& table, const model::RowsInFile& where) {
  storage::MappedFile file = storage::MappedFile::open(where.file);
  kernels::StoredRows& rows = table.rows;
  rows.data = bytes_at(file, where.file, where.rows_offset, rows.rows * rows.stride);
  if (rows.hot.rows > 0)
    rows.hot.data = reinterpret_cast<float*>(
        bytes_at(file, where.file, where.hot_offset, rows.hot.rows * rows.hot.cols * sizeof(float)));
  table.rows_and_spare = rows;
  files_.insert_or_assign(table.part, std::move(file));
}

void MappedTables::put_away(PartId part) {
  const auto file = files_.find(part);
  if (file != files_.end()) file->second.evict();
}

}  // namespace tessera::checkpoint
