// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "report/evaluation_figures.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "evaluate/rank_file.hpp"
#include "storage/hdf5.hpp"

#include <algorithm>
#include <bit>
#include <map>

namespace tessera::report {
namespace {

using evaluate::Grouping;

constexpr std::uint8_t kTail = 0;  // values of the columns `side`
constexpr std::uint8_t kHead = 1;
constexpr std::uint8_t kBoth = 2;

/// A table by group, one entry for each row.
struct GroupTable {
  std::vector<std::uint64_t> keys;
  std::vector<std::uint8_t> sides;
  std::vector<std::uint64_t> queries;
  std::vector<double> mrr;
  std::vector<double> hits_at_10;
};

template <class T>
std::vector<std::uint64_t> widened(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

std::vector<std::uint64_t> read_keys(const storage::FileReader& file, Grouping grouping) {
  switch (grouping) {
    case Grouping::kRelation: return widened(file.read<std::uint32_t>("/by_relation/relation"));
    case Grouping::kClass: return widened(file.read<std::uint8_t>("/by_class/class"));
    case Grouping::kDegree: break;
  }
  std::vector<std::uint64_t> keys = file.read<std::uint64_t>("/by_degree/first_degree");
  for (std::uint64_t& key : keys) key = static_cast<std::uint64_t>(std::bit_width(key));
  return keys;
}

GroupTable read_table(const storage::FileReader& file, Grouping grouping) {
  const std::string group = fmt::format("/by_{}", evaluate::name(grouping));
  GroupTable table{read_keys(file, grouping), file.read<std::uint8_t>(group + "/side"),
                   file.read<std::uint64_t>(group + "/queries"), file.read<double>(group + "/mrr"),
                   file.read<double>(group + "/hits_at_10")};
  for (const std::size_t size : {table.sides.size(), table.queries.size(), table.mrr.size(), table.hits_at_10.size()})
    if (size != table.keys.size())
      fail(ExitStatus::kBadData, "'{}', {}: columns of different length", file.path().string(), group);
  return table;
}

std::string label_of(Grouping grouping, std::uint64_t key, const RelationNames& names) {
  switch (grouping) {
    case Grouping::kRelation: return key < names.size() ? names[key] : fmt::format("relation {}", key);
    case Grouping::kClass: return evaluate::name(static_cast<evaluate::RelationClass>(key));
    case Grouping::kDegree: break;
  }
  return key < 2 ? fmt::format("{}", key)
                 : fmt::format("{}-{}", evaluate::first_degree(key), evaluate::last_degree(key));
}

void check_key(const storage::FileReader& file, Grouping grouping, std::uint64_t key) {
  constexpr std::uint64_t kMostBits = 63;
  if ((grouping == Grouping::kClass && key >= evaluate::kRelationClassCount) ||
      (grouping == Grouping::kDegree && key > kMostBits))
    fail(ExitStatus::kBadData, "'{}', /by_{}: {} is not a group", file.path().string(), evaluate::name(grouping), key);
}

std::vector<GroupFigures> groups_of(const storage::FileReader& file, Grouping grouping, const RelationNames& names) {
  const GroupTable table = read_table(file, grouping);
  std::map<std::uint64_t, GroupFigures> groups;
  for (std::size_t row = 0; row < table.keys.size(); ++row) {
    check_key(file, grouping, table.keys[row]);
    GroupFigures& group = groups[table.keys[row]];
    if (table.sides[row] == kTail) group.tail_mrr = table.mrr[row];
    if (table.sides[row] == kHead) group.head_mrr = table.mrr[row];
    if (table.sides[row] != kBoth) continue;
    group.mrr.queries = table.queries[row];
    group.mrr.mean = table.mrr[row];
    group.hits_at_10 = table.hits_at_10[row];
  }
  std::vector<GroupFigures> out;
  for (auto& [key, group] : groups) {
    group.key = key;
    group.label = label_of(grouping, key, names);
    out.push_back(std::move(group));
  }
  return out;
}

// The class of each relation that has queries.
std::map<std::uint64_t, std::uint64_t> classes_of(const storage::FileReader& file) {
  const auto relations = file.read<std::uint32_t>("/by_relation/relation");
  const auto classes = file.read<std::uint8_t>("/by_relation/class");
  if (relations.size() != classes.size())
    fail(ExitStatus::kBadData, "'{}', /by_relation: columns of different length", file.path().string());
  std::map<std::uint64_t, std::uint64_t> out;
  for (std::size_t row = 0; row < relations.size(); ++row) {
    check_key(file, Grouping::kClass, classes[row]);
    out[relations[row]] = classes[row];
  }
  return out;
}

std::uint64_t key_of(Grouping grouping, const EvaluationFigures& figures, std::size_t query,
                     const std::map<std::uint64_t, std::uint64_t>& classes) {
  const std::uint32_t relation = figures.stored.queries[query].relation;
  if (grouping == Grouping::kRelation) return relation;
  if (grouping == Grouping::kDegree)
    return static_cast<std::uint64_t>(std::bit_width(figures.stored.target_degrees[query]));
  const auto found = classes.find(relation);
  return found == classes.end() ? evaluate::kRelationClassCount : found->second;
}

std::vector<std::uint32_t> index_groups(Grouping grouping, const EvaluationFigures& figures,
                                        const std::map<std::uint64_t, std::uint64_t>& classes) {
  std::map<std::uint64_t, std::uint32_t> index;
  for (const GroupFigures& group : figures[grouping])
    index.emplace(group.key, static_cast<std::uint32_t>(index.size()));
  std::vector<std::uint32_t> out;
  for (std::size_t i = 0; i < figures.stored.queries.size(); ++i) {
    const auto found = index.find(key_of(grouping, figures, i, classes));
    out.push_back(found == index.end() ? evaluate::kNoGroup : found->second);
  }
  return out;
}

void add_intervals(EvaluationFigures& figures, const EvaluationOptions& options) {
  std::vector<double> reciprocals;
  for (const double rank : figures.stored.ranks) reciprocals.push_back(1 / rank);
  for (std::size_t g = 0; g < figures.by.size(); ++g) {
    const auto means =
        evaluate::group_means({figures.stored.queries, reciprocals, figures.groups[g], figures.by[g].size()},
                              {.resamples = options.resamples}, options.threads);
    for (std::size_t i = 0; i < means.size(); ++i) figures.by[g][i].mrr.interval = means[i].interval;
  }
}

void add_groups(const storage::FileReader& file, const RelationNames& names, const EvaluationOptions& options,
                EvaluationFigures& out) {
  const auto classes = classes_of(file);
  for (const Grouping grouping : evaluate::kGroupings)
    out.by.at(static_cast<std::size_t>(grouping)) = groups_of(file, grouping, names);
  std::vector<GroupFigures>& relations = out.by.at(static_cast<std::size_t>(Grouping::kRelation));
  std::stable_sort(relations.begin(), relations.end(),
                   [](const auto& a, const auto& b) { return a.mrr.queries > b.mrr.queries; });
  out.relations = relations.size();
  relations.resize(std::min<std::size_t>(relations.size(), options.relations));
  for (GroupFigures& group : relations) group.relation_class = label_of(Grouping::kClass, classes.at(group.key), names);
  for (const Grouping grouping : evaluate::kGroupings)
    out.groups.at(static_cast<std::size_t>(grouping)) = index_groups(grouping, out, classes);
  add_intervals(out, options);
}

// Ranks 1, 2-3, 4-10, 11-30, 31-100, ... up to the last one.
std::vector<RankRange> histogram_of(const std::vector<double>& ranks) {
  std::vector<RankRange> out;
  const double most = ranks.empty() ? 0 : *std::max_element(ranks.begin(), ranks.end());
  for (std::uint64_t power = 1; out.empty() || out.back().last < most; power *= 10)
    for (const std::uint64_t last : {power, 3 * power})
      if (out.empty() || out.back().last < most)
        out.push_back({out.empty() ? 1 : out.back().last + 1, static_cast<double>(last), 0});
  for (const double rank : ranks)
    for (RankRange& range : out)
      if (rank <= range.last) {
        ++range.queries;
        break;
      }
  return out;
}

void add_headline(const storage::FileReader& file, EvaluationFigures& out) {
  constexpr const char* kAll = "/metrics/all";
  out.command_line = file.find_string("/", "command_line").value_or("");
  out.time_utc = file.find_string("/", "date_created").value_or("");
  out.entities = file.integer("/", "entities");
  out.unseen_queries = file.integer(kAll, "unseen_queries");
  out.mrr = file.real(kAll, "realistic_mrr");
  out.pessimistic_mrr = file.real(kAll, "pessimistic_mrr");
  for (const auto& [figure, unused] : evaluate::figures({}))
    if (figure != "mrr") out.figures.emplace_back(figure, file.real(kAll, fmt::format("realistic_{}", figure)));
  if (file.integer(kAll, "bootstrap_resamples") > 0)
    out.interval = {file.real(kAll, "bootstrap_mrr_low"), file.real(kAll, "bootstrap_mrr_high"),
                    file.real(kAll, "bootstrap_mrr_standard_error")};
}

}  // namespace

EvaluationFigures read_evaluation_figures(const std::filesystem::path& path, const RelationNames& names,
                                          const EvaluationOptions& options) {
  EvaluationFigures out;
  out.stored = evaluate::read_evaluation(path);
  const auto file = storage::FileReader::open_verified(path, evaluate::kEvaluationKind, evaluate::kEvaluationVersion);
  add_headline(file, out);
  add_groups(file, names, options, out);
  out.histogram = histogram_of(out.stored.ranks);
  return out;
}

}  // namespace tessera::report
