// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/rank_file.hpp"

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "evaluate/detail/group_tables.hpp"
#include "search/original_ids.hpp"
#include "storage/atomic.hpp"
#include "storage/checksum.hpp"
#include "storage/hdf5.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace tessera::evaluate {
namespace {

using graph::Split;
using storage::DatasetWriter;

constexpr std::uint64_t kRowBytes = 8 + 4 + 8 + 1 + 4 + 4 + 4 + 4 + 1;

void write_side(storage::FileWriter& file, const std::string& group, const SideMetrics& side) {
  file.attribute(group, "queries", side.queries);
  file.attribute(group, "unseen_queries", side.unseen);
  for (const TieRule rule : kTieRules) {
    for (const auto& [figure, value] : figures(side[rule]))
      file.attribute(group, fmt::format("{}_{}", name(rule), figure), value);
  }
}

/// One column of the file, and the values of the block that is being appended.
template <class T>
class Column {
 public:
  Column(storage::FileWriter& file, const std::string& path, std::uint64_t rows, const char* meaning)
      : writer_(file.dataset(path, storage::element_type<T>(), {rows}, {meaning})) {}
  void add(T value) { values_.push_back(value); }
  void flush() {
    writer_.append(std::span<const T>(values_));
    values_.clear();
  }
  void finish() { writer_.finish(); }

 private:
  DatasetWriter writer_;
  std::vector<T> values_;
};

/// The file on rank 0.
class RankFile {
 public:
  RankFile(const std::filesystem::path& path, std::uint64_t rows)
      : atomic_(path),
        file_(atomic_.temporary(), kEvaluationKind, kEvaluationVersion),
        head_(file_, "/queries/head", rows, "entity id of the head in graph.h5"),
        relation_(file_, "/queries/relation", rows, "relation id in graph.h5"),
        tail_(file_, "/queries/tail", rows, "entity id of the tail in graph.h5"),
        side_(file_, "/queries/side", rows, "which end was asked for: 0 the tail, (h, r, ?); 1 the head, (?, r, t)"),
        n_greater_(file_, "/queries/n_greater", rows, "candidates that score above the target, known answers left out"),
        n_equal_(file_, "/queries/n_equal", rows,
                 "candidates that score exactly as the target, known answers and the target itself left out"),
        candidates_(file_, "/queries/candidates", rows, "entities ranked, the target and those it competes with"),
        target_degree_(file_, "/queries/target_degree", rows, "training triples that have the target, at either end"),
        unseen_(file_, "/queries/unseen", rows, "1 when the head, the tail or the relation is in no training triple") {}

  /// `ids`: original ids of all sources, then of all targets.
  void append(std::span<const RankedQuery> queries, std::span<const std::int64_t> ids, std::uint64_t relations) {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const bool asks_head = queries[i].relation.value() >= relations;
      const auto source = static_cast<std::uint64_t>(ids[i]);
      const auto answer = static_cast<std::uint64_t>(ids[queries.size() + i]);
      head_.add(asks_head ? answer : source);
      relation_.add(static_cast<std::uint32_t>(queries[i].relation.value() - (asks_head ? relations : 0)));
      tail_.add(asks_head ? source : answer);
      side_.add(asks_head ? 1 : 0);
      n_greater_.add(queries[i].n_greater);
      n_equal_.add(queries[i].n_equal);
      candidates_.add(queries[i].candidates);
      target_degree_.add(queries[i].target_degree);
      unseen_.add(queries[i].unseen ? 1 : 0);
    }
    for_each_column([](auto& column) { column.flush(); });
  }

  void finish_columns() {
    for_each_column([](auto& column) { column.finish(); });
  }
  [[nodiscard]] storage::FileWriter& file() { return file_; }
  void commit() {
    file_.close();
    storage::commit_listed(atomic_);
  }

 private:
  template <class Visit>
  void for_each_column(const Visit& visit) {
    visit(head_);
    visit(relation_);
    visit(tail_);
    visit(side_);
    visit(n_greater_);
    visit(n_equal_);
    visit(candidates_);
    visit(target_degree_);
    visit(unseen_);
  }

  storage::AtomicFile atomic_;
  storage::FileWriter file_;
  Column<std::uint64_t> head_;
  Column<std::uint32_t> relation_;
  Column<std::uint64_t> tail_;
  Column<std::uint8_t> side_;
  Column<std::uint32_t> n_greater_;
  Column<std::uint32_t> n_equal_;
  Column<std::uint32_t> candidates_;
  Column<std::uint32_t> target_degree_;
  Column<std::uint8_t> unseen_;
};

void describe(storage::FileWriter& file, const search::Ranks& setup, const Evaluation& evaluation,
              const ModelLabel& model) {
  const Metrics& metrics = evaluation.metrics;
  const bool listed = !evaluation.candidate_digest.empty();
  const std::string& condition = evaluation.options.condition;
  file.attribute("/", "split", std::string(graph::name(evaluation.split)));
  file.attribute("/", "epoch", evaluation.epoch);
  file.attribute("/", "graph_digest", setup.shard.manifest.graph_digest);
  file.attribute("/", "parts", std::uint64_t{setup.shard.manifest.part_count()});
  file.attribute("/", "model", model.name);
  file.attribute("/", "dim", model.dim);
  file.attribute("/", "filter", std::string(name(evaluation.options.filter)));
  file.attribute("/", "max_triples", evaluation.options.max_triples);
  file.attribute("/", "candidate_set",
                 std::string(listed              ? "listed"
                             : condition.empty() ? "all entities"
                                                 : "condition"));
  if (listed) file.attribute("/", "candidate_digest", evaluation.candidate_digest);
  if (!condition.empty()) file.attribute("/", "candidate_condition", condition);
  file.attribute("/", "entities", metrics.entities);
  file.attribute("/", "mean_candidates", metrics.mean_candidates);
  file.attribute("/", "headline_tie_rule", std::string(name(TieRule::kRealistic)));
  file.attribute("/", "rank_digest", metrics.rank_digest);
  write_side(file, "/metrics/all", metrics.all);
  write_side(file, "/metrics/tail", metrics.tail);
  write_side(file, "/metrics/head", metrics.head);
  file.attribute("/metrics/all", "bootstrap_resamples", evaluation.bootstrap.resamples);
  file.attribute("/metrics/all", "bootstrap_seed", evaluation.bootstrap.seed);
  file.attribute("/metrics/all", "bootstrap_confidence", kConfidence);
  file.attribute("/metrics/all", "bootstrap_mrr_low", evaluation.mrr_interval.low);
  file.attribute("/metrics/all", "bootstrap_mrr_high", evaluation.mrr_interval.high);
  file.attribute("/metrics/all", "bootstrap_mrr_standard_error", evaluation.mrr_interval.standard_error);
  detail::write_group_tables(file, evaluation.groups);
}

/// Translates the ids of a block together and lets rank 0 append it.
class BlockSink {
 public:
  BlockSink(const search::Ranks& setup, const search::OriginalIds& original_ids, std::uint64_t block_queries)
      : setup_(setup),
        original_ids_(original_ids),
        ids_(setup.host.allocate<std::int64_t>(memory::Tag::kEvaluation, 2 * block_queries)) {}

  void write(std::span<const RankedQuery> queries, RankFile* file) const {
    const auto ids = ids_.span().first(2 * queries.size());
    for (std::size_t i = 0; i < queries.size(); ++i) {
      ids[i] = static_cast<std::int64_t>(queries[i].source.value());
      ids[queries.size() + i] = static_cast<std::int64_t>(queries[i].target.value());
    }
    original_ids_.translate(setup_.comm, ids);
    comm::on_root(setup_.comm, [&] {
      if (file != nullptr) file->append(queries, ids, setup_.shard.manifest.relation_count);
    });
  }

 private:
  const search::Ranks& setup_;
  const search::OriginalIds& original_ids_;
  memory::Buffer<std::int64_t> ids_;
};

}  // namespace

std::string rank_file_name(Split split, bool listed_candidates) {
  return fmt::format("evaluation-{}{}.h5", graph::name(split), listed_candidates ? "-candidates" : "");
}

Evaluation evaluate_to_file(Ranking& evaluator, const search::Ranks& setup, Split split, const RankFileTarget& target) {
  const std::uint64_t rows = evaluator.query_count(split);
  if (rows == 0)
    throw comm::AgreedError(ExitStatus::kBadData,
                            fmt::format("the graph has no {} triples to rank", graph::name(split)));
  const search::OriginalIds original_ids(setup.comm, setup.shard, target.partition_folder, setup.host.pool());
  const auto sink = comm::together(
      setup.comm, [&] { return std::make_unique<BlockSink>(setup, original_ids, evaluator.block_queries()); });
  const std::string name = rank_file_name(split, evaluator.options().are_some());
  std::unique_ptr<RankFile> file;
  comm::on_root(setup.comm, [&] {
    if (!std::filesystem::is_directory(target.run_folder))
      fail(ExitStatus::kMissingInput, "run folder '{}' does not exist", target.run_folder.string());
    if (access(target.run_folder.c_str(), W_OK) != 0) {
      log::warning("'{}' cannot be written ({}): the figures are printed, the ranks are not stored",
                   target.run_folder.string(), std::strerror(errno));
      return;
    }
    storage::require_space(target.run_folder, rows * kRowBytes);
    file = std::make_unique<RankFile>(target.run_folder / name, rows);
  });
  Breakdown breakdown(setup);
  Bootstrap bootstrap(setup, target.bootstrap);
  Evaluation evaluation{
      split, evaluator.options(), target.bootstrap, target.epoch, evaluator.candidate_digest(), {}, {}, {}, {}};
  evaluation.metrics = evaluator.run(split, [&](auto queries) {
    sink->write(queries, file.get());
    breakdown.add(queries);
    bootstrap.add(queries);
  });
  evaluation.groups = breakdown.groups();
  evaluation.mrr_interval = bootstrap.interval();
  if (!file) return evaluation;  // of the root only
  try {
    file->finish_columns();
    describe(file->file(), setup, evaluation, evaluator.model());
    file->commit();
  } catch (const Error& error) {
    evaluation.why_not_stored = error.what();
  }
  return evaluation;
}

}  // namespace tessera::evaluate
