// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "tables/detail/hdf5_table.hpp"

#include "storage/checksum.hpp"

#include <limits>
#include <span>
#include <utility>

namespace tessera::tables::detail {
namespace {

constexpr const char* kKind = "table";
constexpr std::uint64_t kVersion = 1;

template <class T>
T value_or(const Cell& cell, T nothing) {
  const T* value = std::get_if<T>(&cell);
  return value == nullptr ? nothing : *value;
}

}  // namespace

Hdf5Table::Hdf5Table(std::vector<Column> columns, const std::filesystem::path& file)
    : columns_(std::move(columns)), path_(file), atomic_(file), values_(columns_.size()) {}

void Hdf5Table::append(const Row& row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    Values& values = values_[i];
    switch (columns_[i].type) {
      case Type::kText: values.offsets.push_back((values.bytes += value_or<std::string>(row[i], {})).size()); break;
      case Type::kWhole:
        values.whole.push_back(value_or<std::uint64_t>(row[i], std::numeric_limits<std::uint64_t>::max()));
        break;
      case Type::kFloat:
        values.floats.push_back(value_or<float>(row[i], std::numeric_limits<float>::quiet_NaN()));
        break;
      case Type::kDouble:
        values.doubles.push_back(value_or<double>(row[i], std::numeric_limits<double>::quiet_NaN()));
        break;
    }
  }
}

void Hdf5Table::write(storage::FileWriter& file, std::size_t i) const {
  const Column& column = columns_[i];
  const Values& values = values_[i];
  const std::string path = "/" + column.name;
  switch (column.type) {
    case Type::kText:
      file.write<std::uint64_t>(path + "/offsets", values.offsets,
                                {"start of each value in bytes, and the end", "byte"});
      file.write<char>(path + "/bytes", std::span<const char>(values.bytes), {column.meaning + ", UTF-8", "byte"});
      return;
    case Type::kWhole: return file.write<std::uint64_t>(path, values.whole, {column.meaning + "; 2^64 - 1: none"});
    case Type::kFloat: return file.write<float>(path, values.floats, {column.meaning + "; NaN: none"});
    case Type::kDouble: return file.write<double>(path, values.doubles, {column.meaning + "; NaN: none"});
  }
}

void Hdf5Table::finish() {
  storage::FileWriter file(atomic_.temporary(), kKind, kVersion);
  std::string names;
  for (const Column& column : columns_) names += (names.empty() ? "" : ",") + column.name;
  file.attribute("/", "columns", names);
  for (std::size_t i = 0; i < columns_.size(); ++i) write(file, i);
  file.close();
  storage::commit_listed(atomic_);
}

}  // namespace tessera::tables::detail
