// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/training/nbfnet_learner.hpp"

#include "core/parallel.hpp"
#include "search/setup.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tessera::propagation {
namespace {

using kernels::ConstMatrix;
using Start = ParameterList::Start;

/// Views of the layers' rows, or of those of the inverses.
std::vector<ConstMatrix> tables(const float* first, std::size_t size, std::size_t layers, std::size_t dim) {
  std::vector<ConstMatrix> out;
  for (std::size_t l = 0; l < layers; ++l) out.push_back({first + l * size, size / dim / 3 * 2, dim, dim});
  return out;
}

}  // namespace

struct NbfnetLearner::Worker {
  QueryMemory query;
  memory::Buffer<float> rows;  // dependent: [queries of a block, layers, table_size()]
};

NbfnetLearner::NbfnetLearner(const MessageGraph& graph, const LearnerOptions& options, bool is_dependent)
    : Learner(graph, options, ""), is_dependent_(is_dependent) {
  const std::uint64_t relations = graph.relation_count();
  const std::uint64_t dim = options.dim;
  query_table_ = list_.add("query.weight", {relations, dim}, Start::kNormal);
  for (std::size_t l = 0; l < options.layers && !is_dependent; ++l)
    tables_.push_back(list_.add(fmt::format("layers.{}.relation.weight", l), {relations, dim}, Start::kNormal));
  end_shared();
  for (std::size_t l = 0; l < options.layers && is_dependent; ++l) {
    const std::string name = fmt::format("layers.{}.relation_linear", l);
    maps_.push_back(list_.add_map(name + ".weight", relations * dim, dim, relations));
    biases_.push_back(list_.add(name + ".bias", {relations * dim}, Start::kUniform, dim));
  }
  if (is_dependent) row_count_ = options.layers * relations * dim;
}

NbfnetLearner::~NbfnetLearner() = default;

std::uint64_t NbfnetLearner::worker_bytes() const {
  const std::uint64_t rows = is_dependent_ ? kBlockQueries * options_.layers * table_size() : 0;
  return QueryMemory::bytes(graph_, options_) + search::host_bytes<float>(rows);
}

void NbfnetLearner::take_workers(std::size_t count, memory::Pool& pool) {
  const std::uint64_t rows = is_dependent_ ? kBlockQueries * options_.layers * table_size() : 0;
  for (std::size_t w = 0; w < count; ++w)
    workers_.push_back({QueryMemory(graph_, options_, pool), pool.allocate<float>(memory::Tag::kGradients, rows)});
}

void NbfnetLearner::fill_inverses(float* table) const {
  const std::size_t half = graph_.relation_count() / 2 * options_.dim;
  std::copy_n(table, half, table + 2 * half);
}

void NbfnetLearner::take_values() {
  if (is_dependent_) return;
  shared_rows_.resize(options_.layers * table_size());
  for (std::size_t l = 0; l < options_.layers; ++l) {
    float* const table = shared_rows_.data() + l * table_size();
    std::copy_n(values_.data() + tables_[l], graph_.relation_count() * options_.dim, table);
    fill_inverses(table);
  }
}

std::vector<float> NbfnetLearner::query_rows(std::span<const TrainQuery> queries) const {
  std::vector<float> out;
  for (const TrainQuery& query : queries) {
    const auto row = values_.subspan(query_table_ + query.relation * options_.dim, options_.dim);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

/// The rows of all layers for the queries of a block: each map is read once for all of them.
void NbfnetLearner::make_rows(std::span<const float> queries, Worker& worker) const {
  const std::size_t dim = options_.dim;
  const std::size_t count = queries.size() / dim;
  const std::size_t stride = options_.layers * table_size();
  for (std::size_t l = 0; l < options_.layers; ++l) {
    for (std::size_t r = 0; r < graph_.relation_count(); ++r)
      kernels_.forward.linear(linear(maps_[l] + r * dim * dim, biases_[l] + r * dim, dim, dim),
                              {queries.data(), count, dim, dim}, false,
                              {worker.rows.data() + l * table_size() + r * dim, count, dim, stride});
    for (std::size_t q = 0; q < count; ++q) fill_inverses(worker.rows.data() + q * stride + l * table_size());
  }
}

/// Adds to the gradients of query rows [count, dim] what comes from the rows that they make.
void NbfnetLearner::rows_back(std::span<const float> rows, std::span<float> of_queries) const {
  const std::size_t dim = options_.dim;
  const std::size_t count = of_queries.size() / dim;
  const std::vector<float> zeros(dim);
  std::vector<float> made(count * dim);
  for (std::size_t l = 0; l < options_.layers; ++l)
    for (std::size_t r = 0; r < graph_.relation_count(); ++r) {
      const kernels::LinearWeights back{transposed_.data() + maps_[l] + r * dim * dim, zeros.data(), dim, dim};
      kernels_.forward.linear(back, {rows.data() + (l * graph_.relation_count() + r) * dim, count, dim, row_count_},
                              false, {made.data(), count, dim, dim});
      for (std::size_t i = 0; i < made.size(); ++i) of_queries[i] += made[i];
    }
}

void NbfnetLearner::run_block(const StepQueries& step, std::size_t worker, const BlockResult& out) {
  const std::size_t dim = options_.dim;
  Worker& memory = workers_[worker];
  const auto queries = step.queries.subspan(out.first, out.count);
  const std::vector<float> rows = query_rows(queries);
  std::vector<float> of_queries(rows.size());
  if (is_dependent_) make_rows(rows, memory);
  for (std::size_t q = 0; q < out.count; ++q) {
    const float* const own =
        is_dependent_ ? memory.rows.data() + q * options_.layers * table_size() : shared_rows_.data();
    const auto relations = tables(own, table_size(), options_.layers, dim);
    const auto inverse = tables(own + table_size() / 3, table_size(), options_.layers, dim);
    std::vector<float*> gradients;
    for (std::size_t l = 0; l < options_.layers; ++l)
      gradients.push_back(is_dependent_ ? out.rows.data() + q * row_count_ + l * graph_.relation_count() * dim
                                        : out.shared.data() + tables_[l]);
    out.losses[q] =
        run_query(step, out.first + q, memory.query, {relations, inverse, std::span(rows).subspan(q * dim, dim)},
                  {out.shared, gradients, std::span(of_queries).subspan(q * dim, dim)});
  }
  if (is_dependent_) rows_back(out.rows, of_queries);
  for (std::size_t q = 0; q < out.count; ++q) {
    float* const to = out.shared.data() + query_table_ + queries[q].relation * dim;
    for (std::size_t c = 0; c < dim; ++c) to[c] += of_queries[q * dim + c];
  }
}

void NbfnetLearner::finish(const StepQueries& step, std::span<const float> rows, std::size_t threads,
                           std::span<float> gradients) const {
  if (!is_dependent_) return;
  const std::size_t dim = options_.dim;
  const std::size_t relations = graph_.relation_count();
  const std::vector<float> queries = query_rows(step.queries);
  parallel_for(options_.layers * relations, threads, [&](std::size_t i) {
    const std::size_t l = i / relations;
    const std::size_t r = i % relations;
    kernels_.back.linear_back({nullptr,
                               dim,
                               dim,
                               step.queries.size(),
                               queries.data(),
                               dim,
                               nullptr,
                               rows.data() + i * dim,
                               row_count_,
                               nullptr,
                               0,
                               {gradients.data() + maps_[l] + r * dim * dim, gradients.data() + biases_[l] + r * dim}});
  });
}

}  // namespace tessera::propagation
