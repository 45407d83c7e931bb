// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "support/model_fixture.hpp"

#include "core/random.hpp"
#include "model/row_formats.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace tessera::test {
namespace {

constexpr std::uint64_t kMostDim = 1U << 16U;

using Vector = std::vector<double>;

Vector composed(const std::string& scorer, const Vector& s, const Vector& r) {
  Vector q(s.size());
  const std::size_t half = s.size() / 2;
  for (std::size_t k = 0; k < s.size(); ++k) {
    if (scorer == "distmult") q[k] = s[k] * r[k];
    if (scorer == "transe_l1" || scorer == "transe_l2") q[k] = s[k] + r[k];
    if (scorer == "complex" && k < half) q[k] = s[k] * r[k] - s[half + k] * r[half + k];
    if (scorer == "complex" && k >= half) q[k] = s[k - half] * r[k] + s[k] * r[k - half];
  }
  return q;
}

double similarity(const std::string& scorer, const Vector& q, const Vector& e) {
  double dot = 0;
  double l1 = 0;
  double l2 = 0;
  for (std::size_t k = 0; k < q.size(); ++k) {
    dot += q[k] * e[k];
    l1 += std::fabs(q[k] - e[k]);
    l2 += (q[k] - e[k]) * (q[k] - e[k]);
  }
  if (scorer == "transe_l1") return -l1;
  if (scorer == "transe_l2") return -std::sqrt(l2);
  if (scorer == "complex" || scorer == "distmult") return dot;
  throw std::invalid_argument(scorer);
}

Vector row_of(const Entry& entry, std::uint64_t row, std::size_t dim) {
  Vector values(dim);
  for (std::size_t k = 0; k < dim; ++k) values[k] = entry(row, k);
  return values;
}

}  // namespace

Entry small_integers(std::uint64_t seed) {
  return [stream = RandomStream(seed, Purpose::kInit)](std::uint64_t row, std::size_t k) {
    return static_cast<float>(stream.below(row * kMostDim + k, 5)) - 2;
  };
}

Entry normals(std::uint64_t seed) {
  return [stream = RandomStream(seed, Purpose::kInit)](std::uint64_t row, std::size_t k) {
    return static_cast<float>(stream.normals(row * kMostDim + k).front());
  };
}

Job::Model ModelValues::job() const {
  Job::Model model;
  model.name = scorer;
  model.dim = dim;
  return model;
}

void fill(const ModelValues& values, const graph::Shard& shard, model::Parameters& parameters) {
  std::vector<float> row(values.dim);
  for (const model::PartTable& table : parameters.parts())
    for (std::size_t i = 0; i < table.rows.rows; ++i) {
      for (std::size_t k = 0; k < row.size(); ++k)
        row[k] = values.entity(shard.manifest.offsets[table.part.index()] + i, k);
      model::encode({row.data(), 1, row.size(), row.size()}, table.rows.block(i, 1));
    }
  for (std::size_t r = 0; r < parameters.relations().rows; ++r)
    for (std::size_t k = 0; k < parameters.relations().cols; ++k)
      parameters.relations().row(r)[k] = values.relation(r, k);
}

std::vector<double> BruteForce::scores(EntityId source, RelationId relation) const {
  const Vector q = composed(values_.scorer, row_of(values_.entity, source.value(), values_.dim),
                            row_of(values_.relation, relation.value(), values_.dim));
  std::vector<double> scores;
  for (std::uint64_t e = 0; e < stored_.graph().entities; ++e)
    scores.push_back(similarity(values_.scorer, q, row_of(values_.entity, e, values_.dim)));
  return scores;
}

std::set<EntityId> BruteForce::known(EntityId source, RelationId relation, std::span<const graph::Split> splits) const {
  const std::uint64_t relations = stored_.graph().relations;
  const bool inverse = relation.value() >= relations;
  std::set<EntityId> answers;
  for (const graph::Split split : splits) {
    for (const Triple& triple : stored_.graph().split(split)) {
      const EntityId from = stored_.global_id((inverse ? triple.tail : triple.head).value());
      const EntityId to = stored_.global_id((inverse ? triple.head : triple.tail).value());
      if (from == source && triple.relation.value() + (inverse ? relations : 0) == relation.value()) answers.insert(to);
    }
  }
  return answers;
}

BruteForce::Counts BruteForce::rank(EntityId source, RelationId relation, EntityId target,
                                    std::span<const graph::Split> filter) const {
  std::vector<EntityId> all;
  for (std::uint64_t e = 0; e < stored_.graph().entities; ++e) all.emplace_back(e);
  return rank_among(source, relation, target, filter, all);
}

BruteForce::Counts BruteForce::rank_among(EntityId source, RelationId relation, EntityId target,
                                          std::span<const graph::Split> filter,
                                          std::span<const EntityId> listed) const {
  const std::vector<double> all = scores(source, relation);
  const std::set<EntityId> left_out = known(source, relation, filter);
  Counts counts{0, 0, 1};
  for (const EntityId e : listed) {
    if (e == target || left_out.contains(e)) continue;
    ++counts.candidates;
    counts.n_greater += all[e.index()] > all[target.index()] ? 1 : 0;
    counts.n_equal += all[e.index()] == all[target.index()] ? 1 : 0;
  }
  return counts;
}

std::uint64_t BruteForce::train_degree(EntityId entity) const {
  const EntityId original(stored_.original_id(entity));
  std::uint64_t degree = 0;
  for (const Triple& triple : stored_.graph().split(graph::Split::kTrain))
    degree += (triple.head == original ? 1U : 0U) + (triple.tail == original ? 1U : 0U);
  return degree;
}

bool BruteForce::is_unseen(EntityId entity) const {
  const EntityId original(stored_.original_id(entity));
  const auto& train = stored_.graph().split(graph::Split::kTrain);
  return std::none_of(train.begin(), train.end(),
                      [&](const Triple& triple) { return triple.head == original || triple.tail == original; });
}

}  // namespace tessera::test
