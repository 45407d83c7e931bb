// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/shown_attributes.hpp"

#include "graph/graph_reader.hpp"

#include <algorithm>

namespace tessera::predict {
namespace {

attributes::Table read(const std::filesystem::path& graph_folder, const std::vector<std::string>& names,
                       memory::Pool& pool) {
  const graph::GraphReader graph(graph_folder);
  const auto is_shown = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  return {graph.file(), graph.entity_count(), is_shown, &pool};
}

}  // namespace

ShownAttributes::ShownAttributes(const std::filesystem::path& graph_folder, const std::vector<std::string>& names,
                                 memory::Pool& pool)
    : table_(read(graph_folder, names, pool)) {
  for (const std::string& name : names) columns_.push_back(table_.schema().require(name, "--show: "));
}

std::vector<Shown> ShownAttributes::of(std::uint64_t entity) const {
  std::vector<Shown> all;
  for (const std::size_t k : columns_) {
    const attributes::Column& column = table_.column(k);
    Shown shown{table_.schema().names[k], {}};
    const attributes::ValueRange range = column.find(entity);
    for (std::uint64_t i = range.first; i < range.end; ++i) shown.values.push_back(column.text(i));
    all.push_back(std::move(shown));
  }
  return all;
}

std::vector<std::string> ShownAttributes::names() const {
  std::vector<std::string> names;
  for (const std::size_t k : columns_) names.push_back(table_.schema().names[k]);
  return names;
}

std::vector<Shown> ShownAttributes::nothing() const {
  std::vector<Shown> all;
  for (const std::string& name : names()) all.push_back({name, {}});
  return all;
}

void ShownAttributes::write(storage::FileWriter& file, const std::vector<bool>& entities) const {
  for (std::size_t k = 0; k < columns_.size(); ++k) {
    const attributes::Column& column = table_.column(columns_[k]);
    std::vector<std::uint64_t> ids;
    std::vector<std::uint64_t> offsets(1, 0);
    std::string text;
    for (std::uint64_t entity = 0; entity < entities.size(); ++entity) {
      if (!entities[entity]) continue;
      const attributes::ValueRange range = column.find(entity);
      for (std::uint64_t i = range.first; i < range.end; ++i) {
        ids.push_back(entity);
        offsets.push_back((text += column.text(i)).size());
      }
    }
    const std::string group = fmt::format("/shown/{:06}", k);
    file.write<std::uint64_t>(group + "/entity", ids, {"id in graph.h5 of the entity of each value, ascending"});
    file.write<std::uint64_t>(group + "/value_offsets", offsets,
                              {"start of each value in value_bytes, and the end", "byte"});
    file.write<char>(group + "/value_bytes", std::span<const char>(text),
                     {"values, UTF-8, one after the other", "byte"});
    file.attribute(group, "name", table_.schema().names[columns_[k]]);
  }
}

std::vector<std::string> with_label(const std::filesystem::path& graph_folder, const std::vector<std::string>& asked) {
  std::vector<std::string> shown = asked;
  const graph::GraphReader graph(graph_folder);
  const bool has_labels =
      attributes::Table::is_in(graph.file()) && attributes::Table::read_schema(graph.file()).find("label").has_value();
  if (has_labels && std::find(shown.begin(), shown.end(), "label") == shown.end()) shown.insert(shown.begin(), "label");
  return shown;
}

std::unique_ptr<ShownAttributes> show_with_label(const std::filesystem::path& graph_folder,
                                                 const std::vector<std::string>& asked, memory::Pool& pool) {
  const std::vector<std::string> shown = with_label(graph_folder, asked);
  return shown.empty() ? nullptr : std::make_unique<ShownAttributes>(graph_folder, shown, pool);
}

}  // namespace tessera::predict
