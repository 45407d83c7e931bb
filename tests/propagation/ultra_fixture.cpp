// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "ultra_fixture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <tuple>

namespace tessera::test {
namespace {

using propagation::Tensor;
using propagation::Tensors;
using Row = std::vector<double>;
using Rows = std::vector<Row>;

class Oracle {
 public:
  explicit Oracle(const Tensors& weights) : weights_(weights) {}

  [[nodiscard]] const Tensor& tensor(const std::string& name) const { return weights_.at(name); }
  [[nodiscard]] bool has(const std::string& name) const { return weights_.contains(name); }
  [[nodiscard]] std::size_t layers(const std::string& net) const {
    std::size_t count = 0;
    while (weights_.contains(fmt::format("{}.layers.{}.linear.weight", net, count))) ++count;
    return count;
  }
  [[nodiscard]] Row linear(const std::string& name, const Row& in) const {
    const Tensor& weight = tensor(name + ".weight");
    Row out;
    for (std::size_t o = 0; o < weight.shape[0]; ++o) {
      double sum = tensor(name + ".bias").values[o];
      for (std::size_t i = 0; i < in.size(); ++i) sum += weight.values[o * in.size() + i] * in[i];
      out.push_back(sum);
    }
    return out;
  }
  static Row relu(Row row) {
    for (double& value : row) value = std::max(value, 0.0);
    return row;
  }
  /// One layer over edges (destination, relation row, source).
  [[nodiscard]] Rows layer(const std::string& name, const std::vector<std::array<std::uint32_t, 3>>& edges,
                           const Rows& relation_rows, const Rows& states,
                           std::pair<std::uint32_t, Row> boundary) const {
    Rows sums(states.size(), Row(states[0].size()));
    for (const auto& [to, relation, from] : edges)
      for (std::size_t c = 0; c < sums[to].size(); ++c) sums[to][c] += relation_rows[relation][c] * states[from][c];
    for (std::size_t c = 0; c < boundary.second.size(); ++c) sums[boundary.first][c] += boundary.second[c];
    Rows out;
    for (std::size_t v = 0; v < states.size(); ++v) {
      Row in = states[v];
      in.insert(in.end(), sums[v].begin(), sums[v].end());
      Row y = linear(name + ".linear", in);
      double mean = 0;
      for (const double value : y) mean += value / static_cast<double>(y.size());
      double variance = 0;
      for (const double value : y) variance += (value - mean) * (value - mean) / static_cast<double>(y.size());
      for (std::size_t c = 0; c < y.size(); ++c)
        y[c] = (y[c] - mean) / std::sqrt(variance + 1e-5) * tensor(name + ".layer_norm.weight").values[c] +
               tensor(name + ".layer_norm.bias").values[c];
      y = relu(y);
      for (std::size_t c = 0; c < y.size(); ++c) y[c] += states[v][c];
      out.push_back(y);
    }
    return out;
  }

 private:
  const Tensors& weights_;
};

using Edges = std::vector<std::array<std::uint32_t, 3>>;

/// Both directions: the head receives from the tail by r, the tail from the head by r + R.
Edges both_ways(const std::vector<OracleEdge>& triples, std::uint32_t relations) {
  Edges edges;
  for (const OracleEdge& t : triples) {
    edges.push_back({t.head, t.relation, t.tail});
    edges.push_back({t.tail, t.relation + relations, t.head});
  }
  return edges;
}

/// Pairs of relations that share an entity; edges are read as (head, relation, tail).
Edges meta_edges(const Edges& edges) {
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> found;
  for (const auto& [h1, r1, t1] : edges)
    for (const auto& [h2, r2, t2] : edges) {
      if (h1 == h2) found.insert({r1, 0, r2});
      if (t1 == t2) found.insert({r1, 1, r2});
      if (h1 == t2) found.insert({r1, 2, r2});
      if (t1 == h2) found.insert({r1, 3, r2});
    }
  Edges out;
  for (const auto& [a, kind, b] : found) out.push_back({a, kind, b});
  return out;
}

Rows rows_of(const Tensor& tensor) {
  Rows rows;
  const std::size_t cols = tensor.values.size() / tensor.shape[0];
  for (std::size_t r = 0; r < tensor.shape[0]; ++r)
    rows.emplace_back(tensor.values.begin() + static_cast<std::ptrdiff_t>(r * cols),
                      tensor.values.begin() + static_cast<std::ptrdiff_t>((r + 1) * cols));
  return rows;
}

}  // namespace

Tensors random_weights(std::size_t dim, std::size_t layers, std::uint64_t seed) {
  Tensors all;
  std::mt19937_64 draw(seed);
  const auto add = [&](const std::string& name, std::vector<std::uint64_t> shape, double scale, double mean = 0) {
    std::normal_distribution<double> normal(mean, scale);
    std::uint64_t count = 1;
    for (const std::uint64_t n : shape) count *= n;
    Tensor tensor{std::move(shape), std::vector<float>(count)};
    for (float& value : tensor.values) value = static_cast<float>(normal(draw));
    all[name] = std::move(tensor);
  };
  const auto linear = [&](const std::string& name, std::size_t in, std::size_t out) {
    add(name + ".weight", {out, in}, 1 / std::sqrt(static_cast<double>(in)));
    add(name + ".bias", {out}, 0.3);
  };
  for (const char* net : {"relation_model", "entity_model"})
    for (std::size_t l = 0; l < layers; ++l) {
      const std::string name = fmt::format("{}.layers.{}", net, l);
      linear(name + ".linear", 2 * dim, dim);
      add(name + ".layer_norm.weight", {dim}, 0.2, 1);
      add(name + ".layer_norm.bias", {dim}, 0.2);
      if (std::string(net) == "relation_model") {
        add(name + ".relation.weight", {4, dim}, 0.3);
        continue;
      }
      linear(name + ".relation_projection.0", dim, dim);
      linear(name + ".relation_projection.2", dim, dim);
    }
  linear("entity_model.mlp.0", 2 * dim, 2 * dim);
  linear("entity_model.mlp.2", 2 * dim, 1);
  return all;
}

namespace {

std::vector<double> scores_of(const Oracle& oracle, const std::string& net, Rows states, const Row& asked) {
  std::vector<double> scores;
  for (Row& state : states) {
    state.insert(state.end(), asked.begin(), asked.end());
    scores.push_back(oracle.linear(net + "mlp.2", Oracle::relu(oracle.linear(net + "mlp.0", state))).front());
  }
  return scores;
}

std::vector<double> nbfnet_scores(const Oracle& oracle, const OracleGraph& graph, const OracleEdge& query) {
  const Row asked = rows_of(oracle.tensor("query.weight"))[query.relation];
  Rows states(graph.entities, Row(asked.size()));
  states[query.head] = asked;
  for (std::size_t l = 0; oracle.has(fmt::format("layers.{}.linear.weight", l)); ++l) {
    const std::string name = fmt::format("layers.{}", l);
    Rows rows;
    if (oracle.has(name + ".relation.weight")) {
      rows = rows_of(oracle.tensor(name + ".relation.weight"));
    } else {
      const Row all = oracle.linear(name + ".relation_linear", asked);
      for (auto row = all.begin(); row != all.end(); row += static_cast<std::ptrdiff_t>(asked.size()))
        rows.emplace_back(row, row + static_cast<std::ptrdiff_t>(asked.size()));
    }
    states = oracle.layer(name, both_ways(graph.seen, graph.relations), rows, states, {query.head, asked});
  }
  return scores_of(oracle, "", states, asked);
}

std::vector<double> ultra_scores(const Oracle& oracle, const OracleGraph& graph, const OracleEdge& query) {
  const Edges meta = meta_edges(both_ways(graph.triples, graph.relations));
  const Edges edges = both_ways(graph.seen, graph.relations);
  const std::size_t dim = oracle.tensor("relation_model.layers.0.layer_norm.weight").values.size();
  const std::uint32_t direct = query.relation % graph.relations;
  const Row ones(dim, 1.0);
  Rows relation_rows(2 * graph.relations, Row(dim));
  relation_rows[direct] = ones;
  for (std::size_t l = 0; l < oracle.layers("relation_model"); ++l) {
    const std::string name = fmt::format("relation_model.layers.{}", l);
    relation_rows =
        oracle.layer(name, meta, rows_of(oracle.tensor(name + ".relation.weight")), relation_rows, {direct, ones});
  }
  const Row asked = relation_rows[query.relation];
  Rows states(graph.entities, Row(dim));
  states[query.head] = asked;
  for (std::size_t l = 0; l < oracle.layers("entity_model"); ++l) {
    const std::string name = fmt::format("entity_model.layers.{}", l);
    Rows projected;
    for (const Row& row : relation_rows)
      projected.push_back(oracle.linear(name + ".relation_projection.2",
                                        Oracle::relu(oracle.linear(name + ".relation_projection.0", row))));
    states = oracle.layer(name, edges, projected, states, {query.head, asked});
  }
  return scores_of(oracle, "entity_model.", states, asked);
}

}  // namespace

std::vector<double> oracle_scores(const Tensors& weights, const OracleGraph& graph, const OracleEdge& query) {
  const Oracle oracle(weights);
  return oracle.has("query.weight") ? nbfnet_scores(oracle, graph, query) : ultra_scores(oracle, graph, query);
}

std::vector<double> oracle_scores(const Tensors& weights, const std::vector<OracleEdge>& triples,
                                  std::uint32_t entities, std::uint32_t relations, const OracleEdge& query) {
  return oracle_scores(weights, {triples, triples, entities, relations}, query);
}

}  // namespace tessera::test
