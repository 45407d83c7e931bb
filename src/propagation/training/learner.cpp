// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/training/learner.hpp"

#include "core/error.hpp"
#include "search/setup.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::propagation {
namespace {

using memory::Tag;
using Start = ParameterList::Start;

/// log(1 + exp(x))
double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

Learner::QueryMemory::QueryMemory(const MessageGraph& graph, const LearnerOptions& options, memory::Pool& pool)
    : tape(graph.node_count(), options.dim, options.layers, pool),
      scores(pool.allocate<float>(Tag::kGradients, graph.node_count())) {}

std::uint64_t Learner::QueryMemory::bytes(const MessageGraph& graph, const LearnerOptions& options) {
  return Tape::bytes(graph.node_count(), options.dim, options.layers) + search::host_bytes<float>(graph.node_count());
}

Learner::Learner(const MessageGraph& graph, const LearnerOptions& options, const std::string& entities)
    : graph_(graph), options_(options), kernels_{kernels::cpu_propagation(), kernels::cpu_propagation_gradients()} {
  const std::uint64_t dim = options.dim;
  for (std::size_t l = 0; l < options.layers; ++l)
    layers_.push_back(add_layer(fmt::format("{}layers.{}", entities, l)));
  hidden_ = list_.add_map(entities + "mlp.0.weight", 2 * dim, 2 * dim);
  hidden_bias_ = list_.add(entities + "mlp.0.bias", {2 * dim}, Start::kUniform, 2 * dim);
  output_ = list_.add(entities + "mlp.2.weight", {1, 2 * dim}, Start::kUniform, 2 * dim);
  output_bias_ = list_.add(entities + "mlp.2.bias", {1}, Start::kUniform, 2 * dim);
}

Learner::LayerPlace Learner::add_layer(const std::string& name) {
  const std::uint64_t dim = options_.dim;
  LayerPlace place{};
  place.matrix = list_.add_map(name + ".linear.weight", dim, 2 * dim);
  place.bias = list_.add(name + ".linear.bias", {dim}, Start::kUniform, 2 * dim);
  place.scale = list_.add(name + ".layer_norm.weight", {dim}, Start::kOne);
  place.shift = list_.add(name + ".layer_norm.bias", {dim}, Start::kZero);
  return place;
}

void Learner::end_shared() { shared_count_ = list_.size(); }

TrainedNetwork Learner::network(const std::vector<LayerPlace>& places, const kernels::EdgeLists& edges) const {
  TrainedNetwork out{kernels_, edges, {}, {}, {}, {}, 0};
  for (const LayerPlace& place : places) {
    out.layers.push_back({linear(place.matrix, place.bias, 2 * options_.dim, options_.dim),
                          values_.data() + place.scale, values_.data() + place.shift});
    out.transposed.push_back(transposed_.data() + place.matrix);
  }
  out.make_far();
  return out;
}

std::vector<LayerGradients> Learner::layer_gradients(const std::vector<LayerPlace>& places, std::span<float> shared,
                                                     std::span<float* const> relations) {
  std::vector<LayerGradients> out;
  for (std::size_t l = 0; l < places.size(); ++l)
    out.push_back({{shared.data() + places[l].matrix, shared.data() + places[l].bias},
                   shared.data() + places[l].scale,
                   shared.data() + places[l].shift,
                   relations[l]});
  return out;
}

void Learner::use(std::span<const float> values, std::span<const float> transposed) {
  values_ = values;
  transposed_ = transposed;
  entities_.emplace(network(layers_, {}));
  const std::size_t dim = options_.dim;
  state_transposed_.resize(2 * dim * dim);
  query_transposed_.resize(2 * dim * dim);
  for (std::size_t c = 0; c < 2 * dim; ++c) {
    const float* const row = transposed.data() + hidden_ + c * 2 * dim;
    std::copy_n(row, dim, state_transposed_.data() + c * dim);
    std::copy_n(row + dim, dim, query_transposed_.data() + c * dim);
  }
  take_values();
}

void Learner::finish(const StepQueries& /*step*/, std::span<const float> /*rows*/, std::size_t /*threads*/,
                     std::span<float> /*gradients*/) const {}

void Learner::draw_candidates(const StepQueries& step, std::size_t i, QueryMemory& memory) const {
  const TrainQuery& query = step.queries[i];
  memory.candidates.resize(1 + options_.negatives);
  std::size_t count = 0;
  step.draw.negatives(step.epoch, step.first_position + i, query, std::span(memory.candidates).subspan(1), count);
  memory.candidates.resize(1 + count);
  memory.candidates[0] = query.answer;
  memory.wanted = memory.candidates;
  std::sort(memory.wanted.begin(), memory.wanted.end());
  memory.wanted.erase(std::unique(memory.wanted.begin(), memory.wanted.end()), memory.wanted.end());
}

/// Binary cross entropy: the answer weighs as much as all negatives, and these as the softmax of their scores says,
/// through which no gradient goes. Both halves of the mean over the queries of a step.
double Learner::loss_back(const StepQueries& step, QueryMemory& memory) const {
  const auto score = [&](std::size_t k) { return static_cast<double>(memory.scores[memory.candidates[k]]); };
  const std::size_t count = memory.candidates.size() - 1;
  std::vector<double> weights(count, count == 0 ? 0 : 1 / static_cast<double>(count));
  if (options_.temperature > 0 && count > 0) {
    double most = score(1);
    for (std::size_t k = 0; k < count; ++k) most = std::max(most, score(k + 1));
    double sum = 0;
    for (std::size_t k = 0; k < count; ++k) sum += weights[k] = std::exp((score(k + 1) - most) / options_.temperature);
    for (double& weight : weights) weight /= sum;
  }
  const double share = 0.5 / static_cast<double>(step.queries.size());
  memory.score_gradients.resize(count + 1);
  double loss = softplus(-score(0));
  memory.score_gradients[0] = static_cast<float>((sigmoid(score(0)) - 1) * share);
  for (std::size_t k = 0; k < count; ++k) {
    loss += weights[k] * softplus(score(k + 1));
    memory.score_gradients[k + 1] = static_cast<float>(sigmoid(score(k + 1)) * weights[k] * share);
  }
  return loss / 2;
}

void Learner::scores_back(QueryMemory& memory, std::span<const float> bias, const QueryRows& rows,
                          const QueryGradients& gradients) const {
  const std::size_t dim = options_.dim;
  float* const matrix = gradients.shared.data() + hidden_;
  std::vector<float> of_bias(2 * dim);
  kernels_.back.score_back({values_.data() + hidden_,
                            bias.data(),
                            state_transposed_.data(),
                            values_.data() + output_,
                            2 * dim,
                            memory.tape.states(),
                            memory.score_gradients,
                            memory.tape.state_gradients(),
                            {matrix, of_bias.data()},
                            gradients.shared.data() + output_,
                            gradients.shared.data() + output_bias_},
                           memory.candidates);
  std::vector<float> of_query(dim);
  kernels_.back.linear_back({query_transposed_.data(),
                             dim,
                             2 * dim,
                             1,
                             rows.query.data(),
                             dim,
                             nullptr,
                             of_bias.data(),
                             2 * dim,
                             of_query.data(),
                             dim,
                             {matrix + dim * 2 * dim, gradients.shared.data() + hidden_bias_}});
  for (std::size_t c = 0; c < dim; ++c) gradients.query[c] += of_query[c];
}

double Learner::run_query(const StepQueries& step, std::size_t i, QueryMemory& memory, const QueryRows& rows,
                          const QueryGradients& gradients) const {
  const std::size_t dim = options_.dim;
  draw_candidates(step, i, memory);
  TrainedNetwork entities = *entities_;
  entities.edges = step.edges;
  memory.tape.forward(entities, rows.relations, step.queries[i].source, rows.query, memory.wanted);
  std::vector<float> bias(2 * dim);
  kernels_.forward.linear(linear(hidden_ + dim * 2 * dim, hidden_bias_, dim, 2 * dim), {rows.query.data(), 1, dim, dim},
                          false, {bias.data(), 1, 2 * dim, 2 * dim});
  kernels_.forward.score(
      {{values_.data() + hidden_, bias.data(), dim, 2 * dim}, values_.data() + output_, values_[output_bias_]},
      memory.tape.states(), memory.wanted, memory.scores.span());
  const double loss = loss_back(step, memory);
  scores_back(memory, bias, rows, gradients);
  memory.tape.backward(entities, rows.inverse, layer_gradients(layers_, gradients.shared, gradients.relations),
                       gradients.query);
  return loss;
}

}  // namespace tessera::propagation
