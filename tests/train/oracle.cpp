// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/oracle.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>

namespace tessera::test {
namespace {

double log_sigmoid(double x) { return -std::log1p(std::exp(-x)); }

}  // namespace

Vector Oracle::source(const Vector& x, std::size_t query) const {
  const double* row = &x[queries[query].source.value() * dim_];
  Vector s(row, row + dim_);
  for (std::size_t k = 0; k < dim_ && !source_masks.empty(); ++k) s[k] *= source_masks[query][k];
  return s;
}

Vector Oracle::relation_operator(const Vector& x, RelationId id) const {
  const double* row = relation(x, id);
  if (job_.model.name != "tucker") return {row, row + relation_width_};
  const double* core = &x[entities_ * dim_ + relations_ * relation_width_];
  Vector matrix(dim_ * dim_, 0.0);
  for (std::size_t a = 0; a < relation_width_; ++a)
    for (std::size_t k = 0; k < matrix.size(); ++k) matrix[k] += row[a] * core[a * matrix.size() + k];
  return matrix;
}

Vector Oracle::compose(const Vector& x, std::size_t query) const {
  Vector r = relation_operator(x, queries[query].relation);
  for (std::size_t k = 0; k < r.size() && !operator_masks.empty(); ++k) r[k] *= operator_masks[query][k];
  return compose(source(x, query), r);
}

/// s r / |r| by the table of i, j, k: unit a times unit b is sign[a][b] times unit of[a][b].
Vector Oracle::hamilton(const Vector& s, const Vector& r) const {
  static constexpr std::array<std::array<std::size_t, 4>, 4> kOf = {
      {{0, 1, 2, 3}, {1, 0, 3, 2}, {2, 3, 0, 1}, {3, 2, 1, 0}}};
  static constexpr std::array<std::array<double, 4>, 4> kSign = {
      {{1, 1, 1, 1}, {1, -1, 1, -1}, {1, -1, -1, 1}, {1, 1, -1, -1}}};
  const std::size_t n = dim_ / 4;
  Vector q(dim_, 0.0);
  for (std::size_t k = 0; k < n; ++k) {
    double length = 0;
    for (std::size_t b = 0; b < 4; ++b) length += r[b * n + k] * r[b * n + k];
    for (std::size_t a = 0; a < 4; ++a)
      for (std::size_t b = 0; b < 4; ++b)
        q[kOf.at(a).at(b) * n + k] += kSign.at(a).at(b) * s[a * n + k] * r[b * n + k] / std::sqrt(length);
  }
  return q;
}

Vector Oracle::compose(const Vector& s, const Vector& r) const {
  const std::size_t half = dim_ / 2;
  Vector q(dim_, 0.0);
  for (std::size_t k = 0; k < dim_; ++k) {
    if (job_.model.name == "distmult") q[k] = s[k] * r[k];
    if (job_.model.name.starts_with("transe")) q[k] = s[k] + r[k];
    if (job_.model.name == "rescal" || job_.model.name == "tucker")
      for (std::size_t i = 0; i < dim_; ++i) q[k] += s[i] * r[i * dim_ + k];
  }
  for (std::size_t k = 0; k < half; ++k) {
    const std::complex<double> source(s[k], s[half + k]);
    std::complex<double> value(q[k], q[half + k]);
    if (job_.model.name == "complex") value = source * std::complex<double>(r[k], r[half + k]);
    if (job_.model.name == "rotate") value = source * std::polar(1.0, r[k]);
    if (job_.model.name == "cp") value = {0.0, s[k] * r[k]};
    if (job_.model.name == "simple") value = {0.5 * s[half + k] * r[half + k], 0.5 * s[k] * r[k]};
    q[k] = value.real();
    q[half + k] = value.imag();
  }
  if (job_.model.name == "quate") return hamilton(s, r);
  return q;
}

double Oracle::score(const Vector& q, const double* e) const {
  double dot = 0;
  double l1 = 0;
  double l2 = 0;
  for (std::size_t k = 0; k < dim_; ++k) {
    dot += q[k] * e[k];
    l1 += std::fabs(q[k] - e[k]);
    l2 += (q[k] - e[k]) * (q[k] - e[k]);
  }
  if (job_.model.name == "transe_l1") return -l1;
  return job_.model.name == "transe_l2" || job_.model.name == "rotate" ? -std::sqrt(l2) : dot;
}

double Oracle::score(const Vector& x, std::size_t query, std::uint64_t entity) const {
  return score(compose(x, query), &x[entity * dim_]);
}

// Of the negatives that count against the query.
std::vector<double> Oracle::negative_scores(const Vector& x, std::size_t query) const {
  const Vector q = compose(x, query);
  std::vector<double> scores;
  for (const std::uint64_t e : negatives)
    if (e != queries[query].target.value()) scores.push_back(score(q, &x[e * dim_]));
  return scores;
}

void Oracle::freeze(const Vector& x) {
  frozen_.clear();
  for (std::size_t query = 0; query < queries.size(); ++query) {
    frozen_.push_back(negative_scores(x, query));
    double total = 0;
    for (double& score : frozen_.back()) total += score = std::exp(job_.loss.temperature * score);
    for (double& weight : frozen_.back()) weight /= total;
  }
}

double Oracle::query_loss(const Vector& x, std::size_t i) const {
  const double t = score(x, i, queries[i].target.value());
  const std::vector<double> scores = negative_scores(x, i);
  if (job_.loss.name == "margin") {
    double sum = 0;
    for (const double s : scores) sum += std::max(0.0, job_.loss.margin + s - t);
    return sum / static_cast<double>(negatives.size());
  }
  if (job_.loss.name == "self_adversarial") {
    double sum = -log_sigmoid(job_.loss.margin + t);
    for (std::size_t j = 0; j < scores.size(); ++j) sum -= frozen_[i][j] * log_sigmoid(-job_.loss.margin - scores[j]);
    return sum;
  }
  double sum = std::exp(t);
  for (const double s : scores) sum += std::exp(s + shift);
  return std::log(sum) - t;
}

double Oracle::binary_loss(const Vector& x, std::size_t first, std::size_t end) const {
  double sum = 0;
  for (std::uint64_t e = 0; e < entities_; ++e) {
    bool known = false;
    for (std::size_t i = first; i < end; ++i) known = known || queries[i].target.value() == e;
    const double label = (known ? 1 - job_.loss.smoothing : 0.0) + job_.loss.smoothing / static_cast<double>(entities_);
    const double s = score(x, first, e);
    sum -= label * log_sigmoid(s) + (1 - label) * log_sigmoid(-s);
  }
  return sum;
}

// The relation is not dropped here.
double Oracle::relation_loss(const Vector& x, std::size_t query) const {
  double sum = 0;
  double target = 0;
  for (std::uint32_t r = 0; r < relations_; ++r) {
    const Vector q = compose(source(x, query), relation_operator(x, RelationId(r)));
    const double logit = score(q, &x[queries[query].target.value() * dim_]);
    sum += std::exp(logit);
    if (r == queries[query].relation.value()) target = logit;
  }
  return std::log(sum) - target;
}

double Oracle::power(const double* row, std::size_t count, bool is_complex, double exponent) const {
  double sum = 0;
  const std::size_t half = count / 2;
  for (std::size_t k = 0; k < (is_complex ? half : count); ++k)
    sum += std::pow(is_complex ? std::hypot(row[k], row[half + k]) : std::fabs(row[k]), exponent);
  return sum;
}

double Oracle::penalty(const Vector& x, std::size_t i) const {
  const Query& query = queries[i];
  const Job::Regulariser& job = job_.regulariser;
  const bool is_complex = job_.model.name == "complex" || job_.model.name == "rotate";
  double p = 2;
  double relations = job.weight;
  double products = 0;
  if (job.name == "n3") p = 3;
  if (job.name == "ivr") p = job.power;
  if (job.name == "ivr") relations = job.relation_weight;
  if (job.name == "ivr") products = job.product_weight;
  if (job.name == "dura" || job_.model.name == "rotate") relations = 0;  // a phase has no size
  if (job.name == "dura") products = job.weight;
  const Vector q = compose(x, i);
  return job.weight * (power(&x[query.source.value() * dim_], dim_, is_complex, p) +
                       power(&x[query.target.value() * dim_], dim_, is_complex, p)) +
         relations * power(relation(x, query.relation), relation_width_, job_.model.name == "complex", p) +
         products * power(q.data(), dim_, is_complex, p);
}

std::size_t Oracle::end_of_group(std::size_t first) const {
  std::size_t end = first + 1;
  while (end < queries.size() && queries[end].source == queries[first].source &&
         queries[end].relation == queries[first].relation)
    ++end;
  return end;
}

double Oracle::terms() const {
  if (job_.loss.name != "bce") return static_cast<double>(queries.size());
  double groups = 0;
  for (std::size_t i = 0; i < queries.size(); i = end_of_group(i)) ++groups;
  return groups;
}

double Oracle::loss(const Vector& x) const {
  double total = 0;
  if (job_.loss.name == "bce")
    for (std::size_t i = 0; i < queries.size(); i = end_of_group(i)) total += binary_loss(x, i, end_of_group(i));
  else
    for (std::size_t i = 0; i < queries.size(); ++i) total += query_loss(x, i);
  if (job_.relation_prediction.weight > 0)
    for (std::size_t i = 0; i < queries.size(); ++i) total += job_.relation_prediction.weight * relation_loss(x, i);
  return total / terms();
}

double Oracle::penalised(const Vector& x) const {
  double total = 0;
  for (std::size_t i = 0; i < queries.size(); ++i) total += penalty(x, i);
  return loss(x) + total / terms();
}

}  // namespace tessera::test
