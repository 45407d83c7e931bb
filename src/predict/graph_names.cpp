// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/graph_names.hpp"

#include "attributes/condition.hpp"
#include "attributes/table.hpp"
#include "core/cast.hpp"
#include "core/log.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace tessera::predict {
namespace {

constexpr std::size_t kSuggestions = 3;

std::string quoted(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += fmt::format("{}'{}'", out.empty() ? "" : ", ", name);
  return out;
}

std::uint64_t find(const detail::NameIndex& index, const std::string& name, const char* what,
                   const GraphNames::Place& place) {
  const auto id = index.find(name);
  if (id) return *id;
  const std::string near = quoted(index.suggestions(name, kSuggestions));
  fail(place.bad_status, "{}: {} '{}' is not in the graph{}", place.where, what, name,
       near.empty() ? std::string() : fmt::format("; did you mean {}?", near));
}

}  // namespace

GraphNames::GraphNames(std::filesystem::path folder, const graph::GraphReader& graph)
    : folder_(std::move(folder)), entities_(graph.entity_names()), relations_(graph.relation_names()) {}

GraphNames::~GraphNames() = default;

std::uint64_t GraphNames::find_entity(const std::string& name, const Place& place) const {
  if (const auto id = entities_.find(name)) return *id;
  if (const auto id = find_label(name, place)) return *id;
  return find(entities_, name, "entity", place);
}

std::optional<std::uint64_t> GraphNames::find_label(const std::string& label, const Place& place) const {
  constexpr const char* kLabel = "label";
  if (!labels_) {
    const graph::GraphReader graph(folder_);
    if (!attributes::Table::is_in(graph.file())) return std::nullopt;
    labels_ = std::make_unique<attributes::Table>(graph.file(), graph.entity_count(),
                                                  [&](const std::string& name) { return name == kLabel; });
  }
  const attributes::Table& table = *labels_;
  const auto column = table.schema().find(kLabel);
  if (!column || table.schema().types[*column] != attributes::Type::kText) return std::nullopt;
  const std::string condition = fmt::format("{} = {}", kLabel, attributes::quoted_value(label));
  const auto bits = attributes::Condition::parse(condition, table.schema()).select(table);
  std::vector<std::uint64_t> found;
  for (std::uint64_t id = 0; id < table.entities(); ++id)
    if ((bits[id / 64] >> (id % 64) & 1U) != 0) found.push_back(id);
  if (found.empty()) return std::nullopt;
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < std::min(found.size(), kSuggestions); ++i) names.push_back(entity(found[i]));
    fail(place.bad_status, "{}: '{}' is the label of {} entities; name one of them: {}{}", place.where, label,
         found.size(), quoted(names), found.size() > kSuggestions ? ", ..." : "");
  }
  log::info("'{}' is the label of '{}'", label, entity(found.front()));
  return found.front();
}

std::uint32_t GraphNames::find_relation(const std::string& name, const Place& place) const {
  return checked_cast<std::uint32_t>(find(relations_, name, "relation", place));
}

}  // namespace tessera::predict
