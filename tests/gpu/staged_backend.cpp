// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "gpu/staged_backend.hpp"

#include "gpu/staged_support.hpp"

namespace tessera::kernels::testing {
namespace {

using namespace staged;

class StagedScores final : public Scores {
 public:
  void all_pairs(Similarity similarity, Operand queries, Operand rows, Matrix out) const override {
    const Grid result(out);
    on_device().scores.all_pairs(similarity, Grid(queries.matrix).view(), Grid(rows.matrix).view(), result.view());
    result.back_to(out);
  }
  void pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, std::span<float> out) const override {
    const Elements result(out);
    on_device().scores.pairs(similarity, Grid(queries).view(), Grid(rows).view(), result.view());
    result.back_to(out);
  }
};

class StagedGradients final : public Gradients {
 public:
  void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) const override {
    const Grid result(out);
    on_device().gradients.to_queries(Grid(weights).view(), Grid(rows).view(), result.view());
    result.back_to(out);
  }
  void add_to_queries_tiled(TiledWeights weights, Operand rows, Matrix /*scratch*/, Matrix out) const override {
    const Grid result(out);
    on_device().gradients.add_to_queries_tiled(
        {Grid(weights.weights).view(), Grid(weights.factors).view(), weights.tile}, Grid(rows.matrix).view(), {},
        result.view());
    result.back_to(out);
  }
  void to_rows_tiled(TiledWeights weights, Operand queries, Matrix out) const override {
    const Grid result(out);
    on_device().gradients.to_rows_tiled({Grid(weights.weights).view(), Grid(weights.factors).view(), weights.tile},
                                        Grid(queries.matrix).view(), result.view());
    result.back_to(out);
  }
  void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) const override {
    const Grid result(out);
    on_device().gradients.to_rows(Grid(weights).view(), Grid(queries).view(), result.view());
    result.back_to(out);
  }
};

class StagedSoftmax final : public Softmax {
 public:
  void cross_entropy(Matrix logits, const TargetLosses& targets, float shift, float scale) const override {
    const Grid weights(logits);
    const Elements loss(targets.losses);
    const Elements target_weight(targets.weights);
    on_device().softmax.cross_entropy(weights.view(),
                                      {Elements(targets.scores).view(), loss.view(), target_weight.view(),
                                       Elements(targets.priors).view(), Elements(targets.times).view()},
                                      shift, scale);
    weights.back_to(logits);
    loss.back_to(targets.losses);
    target_weight.back_to(targets.weights);
  }
  void add_to_columns(std::span<const float> values, Matrix logits) const override {
    const Grid result(logits);
    on_device().softmax.add_to_columns(Elements(values).view(), result.view());
    result.back_to(logits);
  }
  void exponentials(Matrix logits, std::size_t tile, Matrix maxima, Matrix sums) const override {
    const Grid powers(logits);
    const Grid first(maxima);
    const Grid second(sums);
    on_device().softmax.exponentials(powers.view(), tile, first.view(), second.view());
    powers.back_to(logits);
    first.back_to(maxima);
    second.back_to(sums);
  }
  void logistic(Matrix logits, std::size_t tile, float offset, Matrix softplus, Matrix sums) const override {
    const Grid sigmoids(logits);
    const Grid first(softplus);
    const Grid second(sums);
    on_device().softmax.logistic(sigmoids.view(), tile, offset, first.view(), second.view());
    sigmoids.back_to(logits);
    first.back_to(softplus);
    second.back_to(sums);
  }
};

class StagedRows final : public Rows {
 public:
  void gather(ConstStoredRows table, Indices indices, Matrix out) const override {
    check_below(indices, table.rows);
    const Grid result(out);
    on_device().rows.gather(StoredGrid(table).view(), Elements(indices).view(), result.view());
    result.back_to(out);
  }
  void take(ConstStoredRows table, Indices indices, StoredRows out) const override {
    check_below(indices, table.rows);
    const StoredGrid result(out);
    on_device().rows.take(StoredGrid(table).view(), Elements(indices).view(), result.view());
    result.back_to(out);
  }
  void encode(ConstMatrix in, StoredRows table) const override {
    const StoredGrid result(table);
    on_device().rows.encode(Grid(in).view(), result.view());
    result.back_to(table);
  }
  void decode(ConstStoredRows table, Matrix out) const override {
    const Grid result(out);
    on_device().rows.decode(StoredGrid(table).view(), result.view());
    result.back_to(out);
  }
  void scatter(ConstMatrix in, Indices indices, Matrix table) const override {
    check_below(indices, table.rows);
    const Grid result(table);
    on_device().rows.scatter(Grid(in).view(), Elements(indices).view(), result.view());
    result.back_to(table);
  }
  void sum_segments(ConstMatrix in, Indices offsets, Indices positions, Matrix out) const override {
    check_below(positions, in.rows);
    for (const std::uint32_t offset : offsets)
      TESSERA_ASSERT(offset <= positions.size(), "segments inside the positions");
    const Grid result(out);
    on_device().rows.sum_segments(Grid(in).view(), Elements(offsets).view(), Elements(positions).view(), result.view());
    result.back_to(out);
  }
  void add(ConstMatrix in, Indices from, Indices to, Matrix table) const override {
    check_below(from, in.rows);
    check_below(to, table.rows);
    const Grid result(table);
    on_device().rows.add(Grid(in).view(), Elements(from).view(), Elements(to).view(), result.view());
    result.back_to(table);
  }
  void fill(float value, Matrix out) const override {
    const Grid result(out);
    on_device().rows.fill(value, result.view());
    result.back_to(out);
  }
  void add_segments(ConstMatrix in, std::size_t first, Indices offsets, Matrix out) const override {
    const Grid result(out);
    on_device().rows.add_segments(Grid(in).view(), first, Elements(offsets).view(), result.view());
    result.back_to(out);
  }
  void drop(const DropoutMask& mask, Indices mask_rows, Matrix rows) const override {
    const Grid result(rows);
    on_device().rows.drop(mask, Elements(mask_rows).view(), result.view());
    result.back_to(rows);
  }
};

class StagedUpdates final : public Updates {
 public:
  void adagrad(AdagradStep step, ConstMatrix gradients, Indices indices, StoredRows table,
               StoredState state) const override {
    check_below(indices, table.rows);
    const StoredGrid rows(table);
    const StateGrid squares(state);
    on_device().updates.adagrad(step, Grid(gradients).view(), Elements(indices).view(), rows.view(), squares.view());
    rows.back_to(table);
    squares.back_to_host();
  }
  void rowwise_adagrad(AdagradStep step, ConstMatrix gradients, Indices indices, StoredRows table,
                       std::span<float> state) const override {
    check_below(indices, table.rows);
    const StoredGrid rows(table);
    const Elements squares(state);
    on_device().updates.rowwise_adagrad(step, Grid(gradients).view(), Elements(indices).view(), rows.view(),
                                        squares.view());
    rows.back_to(table);
    squares.back_to(state);
  }
  void adam(AdamStep step, ConstMatrix gradients, Indices indices, StoredRows table, Matrix state) const override {
    check_below(indices, table.rows);
    const StoredGrid rows(table);
    const Grid moments(state);
    on_device().updates.adam(step, Grid(gradients).view(), Elements(indices).view(), rows.view(), moments.view());
    rows.back_to(table);
    moments.back_to(state);
  }
  void sgd(float learning_rate, ConstMatrix gradients, Indices indices, StoredRows table) const override {
    check_below(indices, table.rows);
    const StoredGrid rows(table);
    on_device().updates.sgd(learning_rate, Grid(gradients).view(), Elements(indices).view(), rows.view());
    rows.back_to(table);
  }
};

class StagedRanks final : public Ranks {
 public:
  void count(Similarity similarity, const RankTile& tile, const RankCounts& counts) const override {
    const Elements greater(counts.n_greater);
    const Elements equal(counts.n_equal);
    on_device().ranks.count(similarity,
                            {Grid(tile.queries).view(), Grid(tile.rows).view(), Elements(tile.target_scores).view()},
                            {greater.view(), equal.view()});
    greater.back_to(counts.n_greater);
    equal.back_to(counts.n_equal);
  }
};

}  // namespace

const Backend& staged_backend() {
  static const StagedScores scores;
  static const StagedGradients gradients;
  static const StagedSoftmax softmax;
  static const StagedRows rows;
  static const StagedUpdates updates;
  static const StagedRanks ranks;
  static const Backend backend{"cuda_staged",
                               scores,
                               gradients,
                               softmax,
                               rows,
                               updates,
                               ranks,
                               staged::composition(),
                               staged::penalties(),
                               staged::targets(),
                               staged::statistics(),
                               staged::negative_losses(),
                               staged::distances(),
                               staged::best_rows()};
  return backend;
}

}  // namespace tessera::kernels::testing
