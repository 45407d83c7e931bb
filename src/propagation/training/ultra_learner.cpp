// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/training/ultra_learner.hpp"

#include "search/setup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace tessera::propagation {
namespace {

using kernels::ConstMatrix;
using kernels::kPanelColumns;
using Start = ParameterList::Start;

/// By kind of an edge between relations (relation_graph()).
constexpr std::array<std::size_t, kMetaRelations> kInverseKinds = {0, 1, 3, 2};

std::vector<ConstMatrix> tables(const float* first, std::size_t rows, std::size_t layers, std::size_t dim) {
  std::vector<ConstMatrix> out;
  for (std::size_t l = 0; l < layers; ++l) out.push_back({first + l * rows * dim, rows, dim, dim});
  return out;
}

}  // namespace

/// Tables are [directed relations, dim].
struct UltraLearner::Worker {
  QueryMemory query;
  Tape relations;
  memory::Buffer<float> rows;       // those of the query, then those of each layer
  memory::Buffer<float> inverse;    // of each layer
  memory::Buffer<float> hidden;     // of each layer: between the two maps that make its rows
  memory::Buffer<float> gradients;  // as `rows`
  memory::Buffer<float> of_hidden;
  memory::Buffer<float> of_rows;
};

UltraLearner::UltraLearner(const MessageGraph& graph, const LearnerOptions& options, memory::Pool& pool)
    : Learner(graph, options, "entity_model."),
      relation_graph_(propagation::relation_graph(graph, pool)),
      all_relations_(graph.relation_count()) {
  std::iota(all_relations_.begin(), all_relations_.end(), 0U);
  for (std::size_t l = 0; l < options.layers; ++l) {
    const std::string name = fmt::format("relation_model.layers.{}", l);
    relation_layers_.push_back(add_layer(name));
    kinds_.push_back(list_.add(name + ".relation.weight", {kMetaRelations, options.dim}, Start::kNormal));
    first_.push_back(add_square(fmt::format("entity_model.layers.{}.relation_projection.0", l)));
    second_.push_back(add_square(fmt::format("entity_model.layers.{}.relation_projection.2", l)));
  }
  end_shared();
}

UltraLearner::~UltraLearner() = default;

UltraLearner::MapPlace UltraLearner::add_square(const std::string& name) {
  MapPlace place{};
  place.matrix = list_.add_map(name + ".weight", options_.dim, options_.dim);
  place.bias = list_.add(name + ".bias", {options_.dim}, Start::kUniform, options_.dim);
  return place;
}

std::uint64_t UltraLearner::worker_bytes() const {
  const auto table = [&](std::size_t count) { return search::host_bytes<float>(count * table_size()); };
  const std::size_t layers = options_.layers;
  return QueryMemory::bytes(graph_, options_) + Tape::bytes(graph_.relation_count(), options_.dim, layers) +
         2 * table(layers + 1) + 2 * table(layers) + 2 * table(1);
}

void UltraLearner::take_workers(std::size_t count, memory::Pool& pool) {
  const auto table = [&](std::size_t tables) {
    return pool.allocate<float>(memory::Tag::kGradients, tables * table_size());
  };
  const std::size_t layers = options_.layers;
  for (std::size_t w = 0; w < count; ++w)
    workers_.push_back({QueryMemory(graph_, options_, pool), Tape(graph_.relation_count(), options_.dim, layers, pool),
                        table(layers + 1), table(layers), table(layers), table(layers + 1), table(1), table(1)});
}

void UltraLearner::take_values() {
  relations_.emplace(network(relation_layers_, relation_graph_.edges()));
  const std::size_t dim = options_.dim;
  inverse_kinds_.resize(options_.layers * kMetaRelations * dim);
  for (std::size_t l = 0; l < options_.layers; ++l)
    for (std::size_t kind = 0; kind < kMetaRelations; ++kind)
      std::copy_n(values_.data() + kinds_[l] + kInverseKinds[kind] * dim, dim,
                  inverse_kinds_.data() + (l * kMetaRelations + kind) * dim);
}

/// Both directions of a relation have the same rows.
void UltraLearner::make_rows(std::uint32_t relation, Worker& memory) const {
  const std::size_t dim = options_.dim;
  const std::size_t rows = graph_.relation_count();
  const std::vector<float> ones(dim, 1.0F);
  std::vector<ConstMatrix> kinds;
  for (const std::size_t place : kinds_) kinds.push_back({values_.data() + place, kMetaRelations, dim, dim});
  memory.relations.forward(*relations_, kinds, relation, ones, all_relations_);
  const kernels::ConstPanels states = memory.relations.states();
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t p = 0; p < states.count(); ++p)
      std::copy_n(states.at(p, r), kPanelColumns, memory.rows.data() + r * dim + p * kPanelColumns);
  for (std::size_t l = 0; l < options_.layers; ++l) {
    const kernels::Matrix hidden{memory.hidden.data() + l * table_size(), rows, dim, dim};
    const kernels::Matrix out{memory.rows.data() + (l + 1) * table_size(), rows, dim, dim};
    kernels_.forward.linear(linear(first_[l].matrix, first_[l].bias, dim, dim), {memory.rows.data(), rows, dim, dim},
                            true, hidden);
    kernels_.forward.linear(linear(second_[l].matrix, second_[l].bias, dim, dim), hidden, false, out);
    float* const inverse = memory.inverse.data() + l * table_size();
    std::copy_n(out.data, table_size() / 2, inverse + table_size() / 2);
    std::copy_n(out.data + table_size() / 2, table_size() / 2, inverse);
  }
}

/// Everything that is the same for all maps of rows.
void UltraLearner::map_back(const MapPlace& place, const kernels::LinearBack& of, std::span<float> shared) const {
  const std::size_t dim = options_.dim;
  kernels::LinearBack all = of;
  all.transposed = transposed_.data() + place.matrix;
  all.inputs = all.outputs = all.in_stride = all.out_stride = all.in_gradient_stride = dim;
  all.rows = graph_.relation_count();
  all.gradients = {shared.data() + place.matrix, shared.data() + place.bias};
  kernels_.back.linear_back(all);
}

void UltraLearner::rows_back(std::uint32_t directed, std::span<const float> of_query, Worker& memory,
                             std::span<float> shared) const {
  const std::size_t dim = options_.dim;
  const std::span<float> sum = memory.gradients.span().first(table_size());
  for (std::size_t c = 0; c < dim; ++c) sum[directed * dim + c] += of_query[c];
  for (std::size_t l = 0; l < options_.layers; ++l) {
    kernels::LinearBack second;
    second.in = memory.hidden.data() + l * table_size();
    second.out_gradients = memory.gradients.data() + (l + 1) * table_size();
    second.in_gradients = memory.of_hidden.data();
    map_back(second_[l], second, shared);
    kernels::LinearBack first;
    first.in = memory.rows.data();
    first.out = second.in;
    first.out_gradients = second.in_gradients;
    first.in_gradients = memory.of_rows.data();
    map_back(first_[l], first, shared);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += memory.of_rows[i];
  }
  const kernels::Panels states = memory.relations.state_gradients();
  for (std::size_t r = 0; r < graph_.relation_count(); ++r)
    for (std::size_t p = 0; p < states.count(); ++p)
      std::copy_n(sum.data() + r * dim + p * kPanelColumns, kPanelColumns, states.at(p, r));
  std::vector<float*> kinds;
  for (const std::size_t place : kinds_) kinds.push_back(shared.data() + place);
  std::vector<float> of_ones(dim);  // which are no weights
  memory.relations.backward(*relations_, tables(inverse_kinds_.data(), kMetaRelations, options_.layers, dim),
                            layer_gradients(relation_layers_, shared, kinds), of_ones);
}

void UltraLearner::run_block(const StepQueries& step, std::size_t worker, const BlockResult& out) {
  const std::size_t dim = options_.dim;
  const std::size_t relations = graph_.relation_count();
  Worker& memory = workers_[worker];
  for (std::size_t q = 0; q < out.count; ++q) {
    const std::uint32_t directed = step.queries[out.first + q].relation;
    make_rows(directed % static_cast<std::uint32_t>(relations / 2), memory);
    std::fill(memory.gradients.span().begin(), memory.gradients.span().end(), 0.0F);
    std::vector<float*> of_layers;
    for (std::size_t l = 1; l <= options_.layers; ++l) of_layers.push_back(memory.gradients.data() + l * table_size());
    std::vector<float> of_query(dim);
    const auto rows = tables(memory.rows.data() + table_size(), relations, options_.layers, dim);
    const auto inverse = tables(memory.inverse.data(), relations, options_.layers, dim);
    out.losses[q] = run_query(step, out.first + q, memory.query,
                              {rows, inverse, std::span<const float>(memory.rows.span()).subspan(directed * dim, dim)},
                              {out.shared, of_layers, of_query});
    rows_back(directed, of_query, memory, out.shared);
  }
}

}  // namespace tessera::propagation
