// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/group_tables.hpp"

#include "core/cast.hpp"

#include <fmt/format.h>

#include <array>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace tessera::evaluate::detail {
namespace {

/// The order of rows of a group, and what /queries/side calls them.
constexpr std::array<GroupSide, 3> kRowSides = {GroupSide::kTail, GroupSide::kHead, GroupSide::kBoth};

/// The columns that all tables have, row by row.
struct Columns {
  std::vector<std::uint64_t> keys;
  std::vector<std::uint8_t> sides;
  std::vector<std::uint64_t> queries;
  std::vector<double> mean_candidates;
  std::map<std::string, std::vector<double>> figures;
};

Columns columns_of(std::span<const Group> groups) {
  Columns columns;
  for (const Group& group : groups) {
    for (std::size_t i = 0; i < kRowSides.size(); ++i) {
      const Group::Side& side = group[kRowSides.at(i)];
      if (side.queries == 0) continue;
      columns.keys.push_back(group.key);
      columns.sides.push_back(static_cast<std::uint8_t>(i));
      columns.queries.push_back(side.queries);
      columns.mean_candidates.push_back(side.mean_candidates);
      for (const auto& [name, value] : figures(side.metrics)) columns.figures[name].push_back(value);
    }
  }
  return columns;
}

template <class T, class Make>
std::vector<T> each(const std::vector<std::uint64_t>& keys, const Make& make) {
  std::vector<T> values;
  for (const std::uint64_t key : keys) values.push_back(static_cast<T>(make(key)));
  return values;
}

void write_columns(storage::FileWriter& file, const std::string& table, const Columns& columns) {
  file.write<std::uint8_t>(table + "/side", columns.sides, {"0 the tail was asked for, 1 the head, 2 both together"});
  file.write<std::uint64_t>(table + "/queries", columns.queries, {"queries of the group"});
  file.write<double>(table + "/mean_candidates", columns.mean_candidates,
                     {"candidates of a query after the filter, the target included"});
  for (const auto& [name, values] : columns.figures)
    file.write<double>(fmt::format("{}/{}", table, name), values, {name + " of the group, realistic tie rule"});
}

}  // namespace

void write_group_tables(storage::FileWriter& file, const Groups& groups) {
  const auto class_of = [&](std::uint64_t relation) { return groups.relation_classes.at(relation); };
  const Columns relations = columns_of(groups[Grouping::kRelation]);
  const auto ids =
      each<std::uint32_t>(relations.keys, [](std::uint64_t id) { return checked_cast<std::uint32_t>(id); });
  const auto classes_of = each<std::uint8_t>(relations.keys, class_of);
  constexpr const char* kClasses = "class of the relation: 0 1-1, 1 1-N, 2 N-1, 3 N-N, 4 in no training triple";
  file.write<std::uint32_t>("/by_relation/relation", ids, {"relation id in graph.h5"});
  file.write<std::uint8_t>("/by_relation/class", classes_of, {kClasses});
  write_columns(file, "/by_relation", relations);

  const Columns classes = columns_of(groups[Grouping::kClass]);
  const auto class_ids = each<std::uint8_t>(classes.keys, [](std::uint64_t id) { return id; });
  file.write<std::uint8_t>("/by_class/class", class_ids, {kClasses});
  write_columns(file, "/by_class", classes);

  const Columns degrees = columns_of(groups[Grouping::kDegree]);
  const auto first = each<std::uint64_t>(degrees.keys, first_degree);
  const auto last = each<std::uint64_t>(degrees.keys, last_degree);
  file.write<std::uint64_t>("/by_degree/first_degree", first, {"smallest training degree of the targets"});
  file.write<std::uint64_t>("/by_degree/last_degree", last, {"largest training degree of the targets"});
  write_columns(file, "/by_degree", degrees);
}

}  // namespace tessera::evaluate::detail
