// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/table.hpp"

#include "core/cast.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "storage/string_blocks.hpp"

#include <algorithm>

namespace tessera::attributes {
namespace {

using detail::ByteReader;
using detail::Bytes;

constexpr const char* kGroup = "/attributes";
constexpr const char* kNames = "/attributes/names";
constexpr const char* kDatatypes = "/attributes/datatypes";
constexpr const char* kOffsets = "/attributes/offsets";
constexpr const char* kBytes = "/attributes/bytes";
constexpr const char* kPlainColumns = "/attributes/columns";
constexpr std::uint64_t kEncodingVersion = 1;

/// A dataset of bytes with padding behind it.
Bytes read_padded(const storage::FileReader& file, const char* path) {
  Bytes bytes = file.read<std::uint8_t>(path);
  bytes.resize(bytes.size() + packing::kPadding);
  return bytes;
}

detail::ByteSpan unpadded(const Bytes& bytes) {
  return detail::ByteSpan(bytes).first(bytes.size() - packing::kPadding);
}

std::string place(const storage::FileReader& file, const char* path) {
  return fmt::format("'{}', {}", file.path().string(), path);
}

std::string place_of(const storage::FileReader& file, const std::string& attribute) {
  return fmt::format("'{}', attribute '{}'", file.path().string(), attribute);
}

std::vector<std::string> read_strings(const storage::FileReader& file, const char* path, std::uint64_t count) {
  const Bytes bytes = read_padded(file, path);
  return detail::located(place(file, path), [&] {
    ByteReader reader(unpadded(bytes));
    return FrontCoded(reader, count).all();
  });
}

bool is_packed(const storage::FileReader& file) { return file.has(kBytes); }

/// A column of graph.h5, version 1.
struct PlainColumn {
  std::vector<std::uint64_t> entities;
  std::vector<std::uint64_t> offsets;
  std::vector<char> text;
  std::vector<std::uint32_t> datatypes;
};

PlainColumn read_plain_column(const storage::FileReader& file, const std::string& group, std::uint64_t entities,
                              std::uint64_t datatypes) {
  PlainColumn column{file.read<std::uint64_t>(group + "/entity"),
                     file.read<std::uint64_t>(group + "/value_offsets"),
                     file.read<char>(group + "/value_bytes"),
                     {}};
  for (const std::uint16_t datatype : file.read<std::uint16_t>(group + "/datatype"))
    column.datatypes.push_back(datatype);
  const auto is_below = [](const auto& ids, std::uint64_t bound) {
    return std::all_of(ids.begin(), ids.end(), [&](auto id) { return id < bound; });
  };
  const bool is_sound = column.offsets.size() == column.entities.size() + 1 && column.offsets.front() == 0 &&
                        column.offsets.back() == column.text.size() &&
                        std::is_sorted(column.offsets.begin(), column.offsets.end()) &&
                        column.datatypes.size() == column.entities.size() &&
                        std::is_sorted(column.entities.begin(), column.entities.end()) &&
                        is_below(column.entities, entities) && is_below(column.datatypes, datatypes);
  if (!is_sound) fail(ExitStatus::kBadData, "'{}', {}: the column is inconsistent", file.path().string(), group);
  return column;
}

}  // namespace

std::optional<std::size_t> Schema::find(std::string_view name) const {
  const auto found = std::lower_bound(names.begin(), names.end(), name);
  if (found == names.end() || *found != name) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

std::size_t Schema::require(std::string_view name, std::string_view where) const {
  constexpr std::size_t kSuggestions = 3;
  if (const auto found = find(name)) return *found;
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const std::string& other : names) {
    const bool has_it = !name.empty() && other.find(name) != std::string::npos;
    const std::size_t edits = text::edit_distance(name, other);
    if (has_it || edits <= std::max<std::size_t>(3, name.size() / 2)) near.emplace_back(has_it ? 0 : edits, other);
  }
  std::sort(near.begin(), near.end());
  std::string suggestions;
  for (std::size_t i = 0; i < std::min(kSuggestions, near.size()); ++i)
    suggestions += fmt::format("{}'{}'", i == 0 ? "; did you mean " : ", ", near[i].second);
  fail(ExitStatus::kUsage, "{}the graph has no attribute '{}'{}", where, name,
       suggestions.empty() ? fmt::format(" ('tessera info' lists its {})", names.size()) : suggestions + "?");
}

void TableWriter::add(std::string_view name, const ColumnContent& content, Type type) {
  schema_.names.emplace_back(name);
  schema_.types.push_back(type);
  detail::put_bytes(bytes_, encode_column(content, type));
  detail::align(bytes_);
  offsets_.push_back(bytes_.size());
}

void TableWriter::write(storage::FileWriter& file, std::uint64_t entities, std::span<const std::string> datatypes,
                        std::uint64_t datatype_count) const {
  Bytes names;
  for (const Type type : schema_.types) names.push_back(static_cast<std::uint8_t>(type));
  FrontCoded::encode(
      schema_.size(), [&](std::uint64_t i) { return std::string_view(schema_.names[i]); }, names);
  file.write<std::uint8_t>(kNames, names, {"types of the attributes, then their names, packed", "byte"});
  file.write<std::uint64_t>(kOffsets, offsets_, {"start of each column in bytes, and the end", "byte"});
  file.write<std::uint8_t>(kBytes, bytes_, {"packed columns", "byte"});
  if (!datatypes.empty()) {
    Bytes packed;
    FrontCoded::encode(
        datatypes.size(), [&](std::uint64_t i) { return std::string_view(datatypes[i]); }, packed);
    file.write<std::uint8_t>(kDatatypes, packed, {"datatype IRIs and @language tags, packed", "byte"});
  }
  file.attribute(kGroup, "columns", static_cast<std::uint64_t>(schema_.size()));
  file.attribute(kGroup, "entities", entities);
  file.attribute(kGroup, "datatypes", datatype_count);
  file.attribute(kGroup, "encoding_version", kEncodingVersion);
}

bool Table::is_in(const storage::FileReader& file) { return is_packed(file) || file.has(kPlainColumns); }

Schema Table::read_schema(const storage::FileReader& file) {
  if (file.integer(kGroup, "encoding_version") != kEncodingVersion)
    fail(ExitStatus::kBadData, "{}: the attributes are packed in a way that is not known", place(file, kGroup));
  const std::uint64_t count = file.integer(kGroup, "columns");
  const Bytes bytes = read_padded(file, kNames);
  Schema schema = detail::located(place(file, kNames), [&] {
    Schema read;
    ByteReader reader(unpadded(bytes));
    for (const std::uint8_t type : reader.take(count)) {
      if (type > static_cast<std::uint8_t>(Type::kDate)) detail::damaged("a type is not known");
      read.types.push_back(static_cast<Type>(type));
    }
    detail::ByteSpan rest = reader.rest();
    ByteReader names(rest);
    read.names = FrontCoded(names, count).all();
    return read;
  });
  if (!std::is_sorted(schema.names.begin(), schema.names.end()))
    fail(ExitStatus::kBadData, "{}: the names do not ascend", place(file, kNames));
  return schema;
}

Table::Table(const storage::FileReader& file, std::uint64_t entities, const Choice& choice, memory::Pool* pool)
    : entities_(entities) {
  if (is_packed(file))
    read_packed(file, choice, pool);
  else if (is_in(file))
    read_plain(file);
}

std::span<std::uint8_t> Table::allocate(std::uint64_t bytes, memory::Pool* pool) {
  if (pool != nullptr) {
    pool_bytes_ = pool->allocate<std::uint8_t>(memory::Tag::kEvaluation, bytes);
    return pool_bytes_.span();
  }
  own_bytes_.resize(bytes);
  return own_bytes_;
}

void Table::read_packed(const storage::FileReader& file, const Choice& choice, memory::Pool* pool) {
  schema_ = read_schema(file);
  datatype_count_ = file.integer(kGroup, "datatypes");
  if (file.has(kDatatypes)) datatypes_ = read_strings(file, kDatatypes, datatype_count_);
  if (file.integer(kGroup, "entities") != entities_)
    fail(ExitStatus::kBadData, "{}: they are of {} entities, not of {}", place(file, kGroup),
         file.integer(kGroup, "entities"), entities_);
  const std::vector<std::uint64_t> offsets = file.read<std::uint64_t>(kOffsets);
  const bool is_sound =
      offsets.size() == schema_.size() + 1 && offsets.front() == 0 && offsets.back() == file.length(kBytes) &&
      std::is_sorted(offsets.begin(), offsets.end()) &&
      std::all_of(offsets.begin(), offsets.end(), [](auto at) { return at % detail::kAlignment == 0; });
  if (!is_sound) fail(ExitStatus::kBadData, "{}: the offsets are inconsistent", place(file, kOffsets));
  std::uint64_t bytes = packing::kPadding;
  std::vector<bool> chosen;
  for (std::size_t k = 0; k < schema_.size(); ++k) {
    chosen.push_back(choice(schema_.names[k]));
    if (chosen[k]) bytes += offsets[k + 1] - offsets[k];
  }
  const std::span<std::uint8_t> memory = allocate(bytes, pool);
  columns_.resize(schema_.size());
  std::uint64_t next = 0;
  for (std::size_t k = 0; k < schema_.size(); ++k) {
    if (!chosen[k]) continue;
    const std::span<std::uint8_t> column = memory.subspan(next, offsets[k + 1] - offsets[k]);
    file.read_rows<std::uint8_t>(kBytes, offsets[k], column.size(), column);
    columns_[k].emplace(column, entities_, datatype_count_, place_of(file, schema_.names[k]));
    if (columns_[k]->type() != schema_.types[k])
      fail(ExitStatus::kBadData, "{}: it has two types", place_of(file, schema_.names[k]));
    next += column.size();
  }
}

/// graph.h5, version 1.
void Table::read_plain(const storage::FileReader& file) {
  const auto datatypes = storage::StringBlocks::open(file, kDatatypes);
  for (std::uint64_t block = 0; block < datatypes.block_count(); ++block)
    for (std::string& name : datatypes.block(block)) datatypes_.push_back(std::move(name));
  datatype_count_ = datatypes_.size();
  std::vector<std::uint64_t> offsets = {0};
  for (const std::string& child : file.children(kPlainColumns)) {
    const std::string group = fmt::format("{}/{}", kPlainColumns, child);
    const PlainColumn plain = read_plain_column(file, group, entities_, datatype_count_);
    const ColumnContent content{plain.entities, plain.offsets, plain.text, plain.datatypes};
    schema_.names.push_back(file.string(group, "name"));
    schema_.types.push_back(count_types(content).type());
    detail::put_bytes(own_bytes_, encode_column(content, schema_.types.back()));
    detail::align(own_bytes_);
    offsets.push_back(own_bytes_.size());
  }
  own_bytes_.resize(own_bytes_.size() + packing::kPadding);
  for (std::size_t k = 0; k < schema_.size(); ++k)
    columns_.emplace_back(std::in_place, detail::ByteSpan(own_bytes_).subspan(offsets[k], offsets[k + 1] - offsets[k]),
                          entities_, datatype_count_, place_of(file, schema_.names[k]));
  if (!std::is_sorted(schema_.names.begin(), schema_.names.end()))
    fail(ExitStatus::kBadData, "{}: the names do not ascend", place(file, kPlainColumns));
}

const Column& Table::column(std::size_t attribute) const {
  TESSERA_ASSERT(columns_.at(attribute).has_value(), "a column that was not chosen");
  return *columns_[attribute];
}

}  // namespace tessera::attributes
