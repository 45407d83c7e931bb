// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "core/job.hpp"

#include <cstdint>
#include <vector>

namespace tessera::test {

using Vector = std::vector<double>;

/// The loss of one step written out in double precision from the formulas alone. Parameters are one vector: rows of
/// entities, then of directed relations, then the core.
class Oracle {
 public:
  Oracle(const Job& job, std::size_t entities, std::size_t relations, std::size_t relation_width)
      : job_(job), entities_(entities), relations_(relations), dim_(job.model.dim), relation_width_(relation_width) {}

  std::vector<Query> queries;            ///< with global sources
  std::vector<std::uint64_t> negatives;  ///< shared by all queries
  double shift = 0;                      ///< log of how many entities a negative stands for
  std::vector<Vector> source_masks;      ///< dropout by query: what source elements are multiplied with; or empty
  std::vector<Vector> operator_masks;    ///< likewise, what the model takes of the relation

  /// Freezes what the self-adversarial loss takes as constant at `x`.
  void freeze(const Vector& x);
  /// What the program reports: the mean over queries (binary: over groups of queries), without the penalty.
  [[nodiscard]] double loss(const Vector& x) const;
  /// What is minimised.
  [[nodiscard]] double penalised(const Vector& x) const;

 private:
  [[nodiscard]] const double* relation(const Vector& x, RelationId id) const {
    return &x[entities_ * dim_ + id.value() * relation_width_];
  }
  [[nodiscard]] Vector source(const Vector& x, std::size_t query) const;
  [[nodiscard]] Vector relation_operator(const Vector& x, RelationId id) const;
  [[nodiscard]] Vector compose(const Vector& s, const Vector& r) const;
  [[nodiscard]] Vector hamilton(const Vector& s, const Vector& r) const;
  [[nodiscard]] Vector compose(const Vector& x, std::size_t query) const;
  [[nodiscard]] double score(const Vector& q, const double* e) const;
  [[nodiscard]] double score(const Vector& x, std::size_t query, std::uint64_t entity) const;
  [[nodiscard]] std::vector<double> negative_scores(const Vector& x, std::size_t query) const;
  [[nodiscard]] double query_loss(const Vector& x, std::size_t query) const;
  [[nodiscard]] double binary_loss(const Vector& x, std::size_t first, std::size_t end) const;
  [[nodiscard]] double relation_loss(const Vector& x, std::size_t query) const;
  [[nodiscard]] double power(const double* row, std::size_t count, bool is_complex, double exponent) const;
  [[nodiscard]] double penalty(const Vector& x, std::size_t query) const;
  [[nodiscard]] std::size_t end_of_group(std::size_t first) const;
  [[nodiscard]] double terms() const;

  Job job_;
  std::size_t entities_;
  std::size_t relations_;
  std::size_t dim_;
  std::size_t relation_width_;
  std::vector<std::vector<double>> frozen_;  // self-adversarial weights by query
};

}  // namespace tessera::test
