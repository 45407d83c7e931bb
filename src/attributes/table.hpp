// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attributes/column.hpp"
#include "attributes/strings.hpp"
#include "memory/pool.hpp"
#include "storage/hdf5.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::attributes {

/// The attributes that a graph has, ascending by name.
struct Schema {
  std::vector<std::string> names;
  std::vector<Type> types;
  [[nodiscard]] std::size_t size() const { return names.size(); }
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
  /// The place of an attribute. Throws Error(kUsage), with the nearest names, when there is none; `where` begins the
  /// message.
  [[nodiscard]] std::size_t require(std::string_view name, std::string_view where) const;
};

/// Packs attributes and writes them to a file: the group /attributes (docs/formats/attributes.md).
class TableWriter {
 public:
  /// Attributes come in ascending order of their names.
  void add(std::string_view name, const ColumnContent& content, Type type);
  [[nodiscard]] std::size_t size() const { return schema_.size(); }
  /// Bytes that write() writes of columns.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.size(); }
  /// `entities` is what all ids are below; `datatypes` are the names of datatypes, or none of `datatype_count` in a
  /// file whose columns name those of another file.
  void write(storage::FileWriter& file, std::uint64_t entities, std::span<const std::string> datatypes,
             std::uint64_t datatype_count) const;

 private:
  Schema schema_;
  std::vector<std::uint64_t> offsets_ = {0};
  std::vector<std::uint8_t> bytes_;
};

/// Chooses attributes by name.
using Choice = std::function<bool(const std::string& name)>;
inline bool all_attributes(const std::string& /*name*/) { return true; }

/// The attributes of a file. Packed columns are kept as they lie in the file; those of an older graph are packed when
/// they are read.
class Table {
 public:
  /// Whether a file has attributes.
  static bool is_in(const storage::FileReader& file);
  /// Of a file with packed attributes. Throws Error(kBadData).
  static Schema read_schema(const storage::FileReader& file);

  /// Reads the columns that `choice` chooses; of an older graph, all. `entities` is what the ids are below. Memory is
  /// from the pool (Tag::kEvaluation), if there is one. Throws Error(kBadData), Error(kOverBudget).
  Table(const storage::FileReader& file, std::uint64_t entities, const Choice& choice = all_attributes,
        memory::Pool* pool = nullptr);
  Table(Table&&) = default;
  Table& operator=(Table&&) = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() = default;

  [[nodiscard]] const Schema& schema() const { return schema_; }
  [[nodiscard]] std::uint64_t entities() const { return entities_; }
  /// One that was chosen.
  [[nodiscard]] const Column& column(std::size_t attribute) const;
  /// Names of datatypes, and of languages with an @ before them; none in the file of a part.
  [[nodiscard]] const std::vector<std::string>& datatypes() const { return datatypes_; }
  [[nodiscard]] std::uint64_t datatype_count() const { return datatype_count_; }

 private:
  void read_packed(const storage::FileReader& file, const Choice& choice, memory::Pool* pool);
  void read_plain(const storage::FileReader& file);
  std::span<std::uint8_t> allocate(std::uint64_t bytes, memory::Pool* pool);

  std::uint64_t entities_;
  Schema schema_;
  std::uint64_t datatype_count_ = 0;
  std::vector<std::string> datatypes_;
  std::vector<std::uint8_t> own_bytes_;
  memory::Buffer<std::uint8_t> pool_bytes_;
  std::vector<std::optional<Column>> columns_;
};

}  // namespace tessera::attributes
