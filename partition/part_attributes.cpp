// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/part_attributes.hpp"

#include "core/cast.hpp"
#include "core/progress.hpp"

#include <algorithm>
#include <numeric>
#include <span>
#include <string>

namespace tessera::partition {
namespace {

// A column as it is unpacked: values in the order of the graph, then ordered by global id.
struct Unpacked {
  std::vector<std::uint64_t> entities;  // global ids
  std::vector<std::uint64_t> offsets = {0};
  std::string text;
  std::vector<std::uint32_t> datatypes;

  [[nodiscard]] std::string_view value(std::size_t i) const {
    return std::string_view(text).substr(offsets[i], offsets[i + 1] - offsets[i]);
  }
  void add(std::uint64_t entity, std::string_view value, std::uint32_t datatype) {
    entities.push_back(entity);
    offsets.push_back((text += value).size());
    datatypes.push_back(datatype);
  }
};

Unpacked unpack(const attributes::Column& column, std::span<const std::uint64_t> new_ids) {
  Unpacked in_order_of_graph;
  column.for_each([&](std::uint64_t entity, std::uint64_t value, std::string_view text) {
    in_order_of_graph.add(new_ids[entity], text, checked_cast<std::uint32_t>(column.datatype(value)));
  });
  std::vector<std::size_t> order(in_order_of_graph.entities.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return in_order_of_graph.entities[a] < in_order_of_graph.entities[b];
  });
  Unpacked sorted;
  for (const std::size_t i : order)
    sorted.add(in_order_of_graph.entities[i], in_order_of_graph.value(i), in_order_of_graph.datatypes[i]);
  return sorted;
}

}  // namespace

PartAttributes::PartAttributes(const graph::GraphReader& reader, const graph::PartitionManifest& manifest) {
  if (!attributes::Table::is_in(reader.file())) return;
  const attributes::Table table(reader.file(), reader.entity_count());
  datatype_count_ = table.datatype_count();
  parts_.resize(manifest.part_count());
  for (std::uint32_t part = 0; part < manifest.part_count(); ++part) rows_.push_back(manifest.rows(PartId(part)));
  Progress progress("splitting", table.schema().size(), "attributes");
  for (std::size_t k = 0; k < table.schema().size(); ++k) {
    split(table, k, manifest);
    progress.update(k + 1);
  }
}

void PartAttributes::split(const attributes::Table& table, std::size_t attribute,
                           const graph::PartitionManifest& manifest) {
  Unpacked column = unpack(table.column(attribute), manifest.new_ids);
  std::size_t first = 0;
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    const auto begin = column.entities.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = std::lower_bound(begin, column.entities.end(), manifest.offsets[part + 1]);
    const auto count = static_cast<std::size_t>(end - begin);
    for (auto entity = begin; entity != end; ++entity) *entity -= manifest.offsets[part];
    const attributes::ColumnContent content{std::span(column.entities).subspan(first, count),
                                            std::span(column.offsets).subspan(first, count + 1), column.text,
                                            std::span(column.datatypes).subspan(first, count)};
    parts_[part].add(table.schema().names[attribute], content, table.schema().types[attribute]);
    first += count;
  }
}

std::uint64_t PartAttributes::bytes() const {
  std::uint64_t bytes = 0;
  for (const attributes::TableWriter& part : parts_) bytes += part.bytes() + 8 * part.size() + 64 * part.size();
  return bytes;
}

void PartAttributes::write(PartId part, storage::FileWriter& file) const {
  if (!parts_.empty()) parts_[part.index()].write(file, rows_[part.index()], {}, datatype_count_);
}

}  // namespace tessera::partition
