// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/comparison.hpp"

#include "core/error.hpp"
#include "evaluate/detail/triple_resamples.hpp"
#include "evaluate/rank_file.hpp"
#include "storage/hdf5.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

namespace tessera::evaluate {
namespace {

template <class T>
std::vector<T> column(const storage::FileReader& file, const char* name, std::uint64_t rows) {
  std::vector<T> values = file.read<T>(fmt::format("/queries/{}", name));
  if (values.size() != rows)
    fail(ExitStatus::kBadData, "'{}', /queries/{}: {} values for {} queries", file.path().string(), name, values.size(),
         rows);
  return values;
}

/// All columns in ascending order of the queries.
void sort_queries(StoredEvaluation& evaluation) {
  std::vector<std::size_t> order(evaluation.queries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return evaluation.queries[a] < evaluation.queries[b]; });
  std::vector<StoredQuery> queries;
  std::vector<double> ranks;
  std::vector<std::uint32_t> degrees;
  for (const std::size_t i : order) {
    queries.push_back(evaluation.queries[i]);
    ranks.push_back(evaluation.ranks[i]);
    degrees.push_back(evaluation.target_degrees[i]);
  }
  evaluation.queries = std::move(queries);
  evaluation.ranks = std::move(ranks);
  evaluation.target_degrees = std::move(degrees);
}

void check_same(const StoredEvaluation& first, const StoredEvaluation& second, const char* what, const std::string& a,
                const std::string& b) {
  if (a != b)
    fail(ExitStatus::kUsage, "'{}' and '{}' cannot be compared: their {} differ ('{}' and '{}')", first.file.string(),
         second.file.string(), what, a, b);
}

void check_comparable(const StoredEvaluation& first, const StoredEvaluation& second) {
  const auto check = [&](const char* what, const std::string& a, const std::string& b) {
    check_same(first, second, what, a, b);
  };
  check("graphs", first.graph_digest, second.graph_digest);
  check("splits", first.split, second.split);
  check("filters", first.filter, second.filter);
  check("candidates", first.candidate_set, second.candidate_set);
  check("lists of candidates", first.candidate_digest, second.candidate_digest);
  check("samples of triples", std::to_string(first.max_triples), std::to_string(second.max_triples));
  check("numbers of queries", std::to_string(first.queries.size()), std::to_string(second.queries.size()));
  if (first.queries != second.queries)
    fail(ExitStatus::kUsage,
         "'{}' and '{}' cannot be compared: they ranked different queries, or among different candidates",
         first.file.string(), second.file.string());
}

double mean_reciprocal(const std::vector<double>& ranks) {
  double sum = 0;
  for (const double rank : ranks) sum += 1 / rank;
  return ranks.empty() ? 0 : sum / static_cast<double>(ranks.size());
}

void count_signs(const std::vector<double>& differences_of_mrr, Comparison& out) {
  double above = 0;
  double below = 0;
  for (const double difference : differences_of_mrr) {
    above += difference >= 0 ? 1 : 0;
    below += difference <= 0 ? 1 : 0;
  }
  const auto count = static_cast<double>(differences_of_mrr.size());
  out.share_second_better = (above + count - below) / 2 / count;
  out.p_value = std::min(1.0, 2 * (std::min(above, below) + 1) / (count + 1));
}

}  // namespace

StoredEvaluation read_evaluation(const std::filesystem::path& path) {
  const auto file = storage::FileReader::open_verified(path, kEvaluationKind, kEvaluationVersion);
  StoredEvaluation out;
  out.file = path;
  out.model = file.string("/", "model");
  out.dim = file.integer("/", "dim");
  out.epoch = file.integer("/", "epoch");
  out.split = file.string("/", "split");
  out.filter = file.string("/", "filter");
  out.max_triples = file.integer("/", "max_triples");
  out.candidate_set = file.string("/", "candidate_set");
  out.candidate_digest = file.find_string("/", "candidate_digest").value_or("");
  out.graph_digest = file.string("/", "graph_digest");
  const std::uint64_t rows = file.length("/queries/head");
  const auto head = column<std::uint64_t>(file, "head", rows);
  const auto relation = column<std::uint32_t>(file, "relation", rows);
  const auto tail = column<std::uint64_t>(file, "tail", rows);
  const auto side = column<std::uint8_t>(file, "side", rows);
  const auto candidates = column<std::uint32_t>(file, "candidates", rows);
  const auto n_greater = column<std::uint32_t>(file, "n_greater", rows);
  const auto n_equal = column<std::uint32_t>(file, "n_equal", rows);
  out.target_degrees = column<std::uint32_t>(file, "target_degree", rows);
  for (std::uint64_t i = 0; i < rows; ++i) {
    out.queries.push_back({head[i], relation[i], tail[i], side[i], candidates[i]});
    RankedQuery query;
    query.n_greater = n_greater[i];
    query.n_equal = n_equal[i];
    out.ranks.push_back(rank_of(query, TieRule::kRealistic));
  }
  sort_queries(out);
  return out;
}

Comparison compare(const StoredEvaluation& first, const StoredEvaluation& second, BootstrapOptions options,
                   std::size_t threads) {
  check_comparable(first, second);
  std::vector<detail::TripleSum> triples;
  for (std::size_t i = 0; i < first.queries.size(); ++i)
    detail::add_query(triples, first.queries[i], 1 / second.ranks[i] - 1 / first.ranks[i], options.seed);
  Comparison out;
  out.triples = triples.size();
  out.queries = first.queries.size();
  out.first_mrr = mean_reciprocal(first.ranks);
  out.second_mrr = mean_reciprocal(second.ranks);
  for (std::size_t i = 0; i < first.ranks.size(); ++i) {
    out.better += second.ranks[i] < first.ranks[i] ? 1 : 0;
    out.worse += second.ranks[i] > first.ranks[i] ? 1 : 0;
  }
  if (options.resamples == 0 || triples.empty()) return out;
  std::vector<double> means = detail::resampled(triples, options.resamples, threads);
  std::replace_if(
      means.begin(), means.end(), [](double mean) { return std::isnan(mean); }, 0.0);
  out.difference = interval_of(means);
  count_signs(means, out);
  return out;
}

}  // namespace tessera::evaluate
