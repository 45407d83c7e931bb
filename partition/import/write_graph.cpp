// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/table.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "graph/graph_writer.hpp"
#include "partition/import/import.hpp"
#include "partition/memory_limit.hpp"
#include "storage/string_blocks.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace tessera::partition {
namespace {

storage::PackedStrings encode(const SortedNames& names) {
  return storage::PackedStrings::encode(names.size(), [&](std::uint64_t rank) { return names[rank]; });
}

// The rows of one attribute. It is held as a whole: packing looks at all of it.
class Column {
 public:
  void add(const AttributeRow& row) {
    entities_.push_back(row.entity);
    values_.append(row.value);
    offsets_.push_back(values_.size());
    datatypes_.push_back(row.datatype);
  }
  // Packs the column, unless it is empty, and empties it.
  void pack(attributes::TableWriter& table, std::string_view name) {
    const attributes::ColumnContent content{entities_, offsets_, values_, datatypes_};
    const attributes::TypeCounts types = attributes::count_types(content);
    if (types.is_mixed())
      log::warning("attribute '{}' has {} numbers, {} dates and {} other texts: it is kept as text", name,
                   types.numbers, types.dates, types.texts);
    if (!entities_.empty()) table.add(name, content, types.type());
    entities_.clear();
    offsets_.resize(1);
    values_.clear();
    datatypes_.clear();
  }

 private:
  std::vector<std::uint64_t> entities_;
  std::vector<std::uint64_t> offsets_ = {0};
  std::string values_;
  std::vector<std::uint32_t> datatypes_;
};

std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

// Tells a second label of an entity. Rows come sorted by entity.
class OneLabel {
 public:
  OneLabel(const ImportOptions& options, ImportResult& result) : skips_(options.skip_bad_lines), result_(result) {
    for (std::uint32_t i = 0; i < result.attributes.size() && !options.node_columns.label.empty(); ++i)
      if (result.attributes[i] == "label") attribute_ = i;
  }
  bool is_second(const AttributeRow& row) {
    if (row.attribute != attribute_) return false;
    const bool is_second = row.entity == entity_;
    if (is_second && !skips_)
      fail(ExitStatus::kBadData,
           "entity '{}' has two labels, '{}' and '{}'; --skip-bad-lines keeps the first in the order of bytes",
           one_line(result_.entities[row.entity]), one_line(label_), one_line(row.value));
    result_.counts.labels_dropped += is_second ? 1 : 0;
    entity_ = row.entity;
    if (!is_second) label_ = row.value;
    return is_second;
  }

 private:
  bool skips_;
  ImportResult& result_;
  std::optional<std::uint32_t> attribute_;
  std::uint64_t entity_ = ~std::uint64_t{0};
  std::string label_;
};

void write_attributes(graph::GraphWriter& writer, const ImportOptions& options, ImportResult& result) {
  if (result.attribute_rows.size() == 0) return;
  std::vector<std::string> datatypes;
  for (std::uint64_t i = 0; i < result.datatypes.size(); ++i) datatypes.emplace_back(result.datatypes[i]);
  attributes::TableWriter table;
  Column column;
  OneLabel one_label(options, result);
  AttributeFile::Reader reader(result.attribute_rows);
  std::uint32_t attribute = 0;
  for (AttributeRow row; reader.next(row);) {
    if (row.attribute != attribute) column.pack(table, result.attributes[attribute]);
    attribute = row.attribute;
    if (one_label.is_second(row)) continue;
    column.add(row);
    ++result.counts.attributes;
  }
  column.pack(table, result.attributes[attribute]);
  table.write(writer.attributes(table.size()), result.entities.size(), datatypes, datatypes.size());
}

void write_split(graph::GraphWriter& writer, graph::Split split, ImportResult& result) {
  const SplitTriples& triples = result.split(split);
  graph::WeightRange range{std::numeric_limits<double>::infinity(), 0, 0};
  writer.begin_split(split, triples.size());
  triples.for_each_weighted_block([&](std::span<const Triple> block, std::span<const float> weights) {
    writer.append(block, weights);
    for (const float each : weights) {
      const auto weight = static_cast<double>(each);
      range = {std::min(range.least, weight), range.mean + weight / static_cast<double>(triples.size()),
               std::max(range.most, weight)};
    }
  });
  if (!triples.weights()) return;
  if (range.most == 0)
    fail(ExitStatus::kBadData, "all triples of train have the weight 0: nothing would be learnt from them");
  result.counts.weights = range;
}

void write_counts(graph::GraphWriter& writer, const ImportCounts& counts) {
  writer.count("lines", counts.lines);
  writer.count("bad_lines", counts.bad_lines);
  writer.count("triples_read", counts.triples_read);
  writer.count("duplicates", counts.duplicates);
  if (counts.weights_added > 0) writer.count("weights_added", counts.weights_added);
  writer.count("in_several_splits", counts.in_several_splits);
  writer.count("unseen_entities", counts.unseen_entities);
  writer.count("unseen_relations", counts.unseen_relations);
  writer.count("attributes_read", counts.attributes_read);
  writer.count("attribute_duplicates", counts.attribute_duplicates);
  writer.count("attributes_dropped", counts.attributes_dropped);
  if (counts.table_rows == 0) return;
  writer.count("table_rows", counts.table_rows);
  writer.count("table_repeats", counts.table_repeats);
  writer.count("table_isolated", counts.table_isolated);
  writer.count("labels_dropped", counts.labels_dropped);
}

// Names that were read take as much again while they are sorted.
void share_memory(ImportOptions& options) {
  constexpr std::uint64_t kProgramBytes = std::uint64_t{32} << 20U;  // code, libraries, buffers
  const MemoryLimit memory = memory_limit(options.memory);
  const std::uint64_t bytes = memory.bytes - std::min(memory.bytes, kProgramBytes);
  options.name_memory_bytes = std::min(options.name_memory_bytes, bytes / 5 * 2);
  options.sort_memory_bytes = std::min(options.sort_memory_bytes, bytes / 4);
}

}  // namespace

ImportCounts import_graph(ImportOptions options, const std::filesystem::path& folder) {
  share_memory(options);
  const bool has_weights = !options.triple_columns.weight.empty();
  graph::GraphWriter writer(folder, options.threads, has_weights);  // before reading: it refuses a folder that exists
  if (options.temporary_folder.empty()) options.temporary_folder = writer.folder().parent_path();
  ImportResult result = import_triples(options);
  writer.names(result.packed_entities, encode(result.relations));
  for (const graph::Split split : graph::kSplits) write_split(writer, split, result);
  write_attributes(writer, options, result);
  for (const graph::SourceFile& source : result.sources) writer.source(source);
  write_counts(writer, result.counts);
  writer.commit();
  if (result.counts.labels_dropped > 0)
    log::warning("{} further labels of entities that have one were left out",
                 text::with_thousands(result.counts.labels_dropped));
  return result.counts;
}

}  // namespace tessera::partition
