// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/detail/prefetch.hpp"
#include "kernels/cpu/families.hpp"
#include "kernels/detail/row_access.hpp"
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/updates.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/detail/log8_inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

/// Elements of the widest int8 row that is updated here: they wait on the stack for the row's new scale.
constexpr std::size_t kMostCodes = 4096;

/// Element c of a row becomes change(reader, tag, c).
template <class Format, class Change>
HWY_INLINE void rewrite_elements(void* row, std::uint64_t row_key, std::size_t columns, const Change& change) {
  auto* data = static_cast<typename Format::Stored*>(row);
  const RowReader<Format> from{data};
  const typename Format::Bits random(row_key);
  for_columns(columns,
              [=](auto d, std::size_t c) HWY_ATTR { Format::store(d, change(from, d, c), random.at(d, c), data + c); });
}

/// The bits of the largest magnitude; `values` are followed by zeros up to a whole register.
HWY_INLINE std::uint32_t largest_magnitude(const float* values, std::size_t count) {
  const hn::RebindToSigned<Full> d;
  auto largest = hn::Zero(d);
  for (std::size_t c = 0; c < count; c += hn::Lanes(d))
    largest = hn::Max(largest, hn::And(hn::BitCast(d, hn::LoadU(Full(), values + c)), hn::Set(d, 0x7FFFFFFF)));
  return static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(d, largest)));
}

/// The same for a row in int8 that is not hot.
template <class Change>
HWY_INLINE void rewrite_codes(std::byte* row, std::uint64_t row_key, std::size_t columns, const Change& change) {
  HWY_ALIGN float values[kMostCodes + kFixedLanes];
  auto* codes = reinterpret_cast<std::int8_t*>(row + sizeof(float));
  const CodeReader from{codes, bits_float(scale_bits(row))};
  float* to = values;
  for_columns(columns, [=](auto d, std::size_t c) HWY_ATTR { hn::StoreU(change(from, d, c), d, to + c); });
  std::fill_n(values + columns, kFixedLanes, 0.0F);
  const float scale = scale_of(largest_magnitude(values, columns), from.scale);
  const float inverse = inverse_of(scale);
  const RowBits random(row_key);
  if (inverse == 0.0F)
    std::fill_n(codes, columns, std::int8_t{0});
  else
    for_columns(columns, [=](auto d, std::size_t c)
                             HWY_ATTR { store_codes(d, hn::LoadU(d, to + c), inverse, random.at(d, c), codes + c); });
  std::memcpy(row, &scale, sizeof scale);
}

/// How rows of a table change, by the type of their format.
template <class Format>
struct ElementRows {
  StoredRows table;
  template <class Change>
  HWY_INLINE void rewrite(std::size_t i, const Change& change) const {
    rewrite_elements<Format>(table.row(i), table.rounding.row_key(i), table.cols, change);
  }
};

struct CodeRows {
  StoredRows table;
  template <class Change>
  HWY_INLINE void rewrite(std::size_t i, const Change& change) const {
    std::byte* row = table.row(i);
    if (is_hot(row)) return rewrite_elements<Fp32>(table.hot.row(hot_slot(row)), 0, table.cols, change);
    rewrite_codes(row, table.rounding.row_key(i), table.cols, change);
  }
};

/// Calls body(rows) with the type of the table's format.
template <class Body>
HWY_INLINE void with_rows(const StoredRows& table, const Body& body) {
  switch (table.format) {
    case RowFormat::kFp32: return body(ElementRows<Fp32>{table});
    case RowFormat::kBf16: return body(ElementRows<Bf16>{table});
    case RowFormat::kFp16: return body(ElementRows<Fp16>{table});
    case RowFormat::kInt8: return body(CodeRows{table});
    case RowFormat::kInt8Groups:
    case RowFormat::kInt4Groups: break;
  }
  kernels::detail::refuse_groups();
}

template <class State, class Rows>
void adagrad_rows(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, const Rows& rows,
                  const StoredState& state) {
  const Rounding rounding = rows.table.rounding.of_state();
  for (std::size_t i = 0; i < gradients.rows; ++i) {
    detail::prefetch_row(rows.table, indices, i + detail::kRowsAhead);
    detail::prefetch_row(state, indices, i + detail::kRowsAhead);
    const float* gradient = gradients.row(i);
    auto* sums = reinterpret_cast<typename State::Stored*>(state.row(indices[i]));
    const typename State::Bits random(rounding.row_key(indices[i]));
    rows.rewrite(indices[i], [=](const auto& from, auto d, std::size_t c) HWY_ATTR {
      const auto g = hn::LoadU(d, gradient + c);
      const auto squares = fused(d, g, g, State::load(d, sums + c));
      const auto root = hn::Add(hn::Sqrt(squares), hn::Set(d, step.epsilon));
      const auto change = hn::Div(hn::Mul(hn::Set(d, step.learning_rate), g), root);
      State::store(d, squares, random.at(d, c), sums + c);
      return hn::Sub(from.load(d, c), change);
    });
  }
}

void adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, const StoredRows& table,
             const StoredState& state) {
  with_rows(table, [&](const auto& rows) HWY_ATTR {
    if (state.is_fp32())
      adagrad_rows<Fp32>(step, gradients, indices, rows, state);
    else
      adagrad_rows<LogBytes>(step, gradients, indices, rows, state);
  });
}

HWY_INLINE void add_squares_of_16(const float* values, Vec<Part16>* sums) {
  const Part16 d;
  for (std::size_t p = 0; p < kParts; ++p) {
    const auto value = hn::LoadU(d, values + p * hn::MaxLanes(d));
    sums[p] = fused(d, value, value, sums[p]);
  }
}

/// Sum of squares in 16 fixed lanes (k mod 16).
float sum_squares(const float* values, std::size_t count) {
  Vec<Part16> sums[kParts];
  for (auto& sum : sums) sum = hn::Zero(Part16());
  std::size_t k = 0;
  for (; k + kFixedLanes <= count; k += kFixedLanes) add_squares_of_16(values + k, sums);
  if (k < count) {
    HWY_ALIGN float rest[kFixedLanes] = {};
    std::copy_n(values + k, count - k, rest);
    add_squares_of_16(rest, sums);
  }
  return sum_parts(sums);
}

/// row -= rate * gradient.
template <class Rows>
HWY_INLINE void descend(const Rows& rows, std::size_t i, float rate, const float* gradient) {
  rows.rewrite(i, [=](const auto& from, auto d, std::size_t c)
                      HWY_ATTR { return fused(d, hn::Set(d, -rate), hn::LoadU(d, gradient + c), from.load(d, c)); });
}

void rowwise_adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices,
                     const StoredRows& table, std::span<float> state) {
  with_rows(table, [&](const auto& rows) HWY_ATTR {
    for (std::size_t i = 0; i < gradients.rows; ++i) {
      detail::prefetch_row(table, indices, i + detail::kRowsAhead);
      if (i + detail::kRowsAhead < indices.size()) hwy::Prefetch(&state[indices[i + detail::kRowsAhead]]);
      float& squares = state[indices[i]];
      squares += sum_squares(gradients.row(i), table.cols) / static_cast<float>(table.cols);
      descend(rows, indices[i], step.learning_rate / (std::sqrt(squares) + step.epsilon), gradients.row(i));
    }
  });
}

template <class Rows>
HWY_INLINE void adam_row(AdamStep step, const float* gradient, const Rows& rows, std::size_t i, float* state) {
  float* second = state + rows.table.cols;
  rows.rewrite(i, [=](const auto& from, auto d, std::size_t c) HWY_ATTR {
    const auto g = hn::LoadU(d, gradient + c);
    auto mean = hn::LoadU(d, state + c);
    auto squares = hn::LoadU(d, second + c);
    mean = fused(d, hn::Set(d, step.mean_gain), hn::Sub(g, mean), mean);
    squares = fused(d, hn::Set(d, step.square_gain), fused(d, g, g, hn::Neg(squares)), squares);
    const auto root = fused(d, hn::Set(d, step.root_scale), hn::Sqrt(squares), hn::Set(d, step.epsilon));
    hn::StoreU(mean, d, state + c);
    hn::StoreU(squares, d, second + c);
    const auto change = hn::Div(hn::Mul(hn::Set(d, step.rate), mean), root);
    return hn::Sub(from.load(d, c), change);
  });
}

void adam(AdamStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, const StoredRows& table,
          Matrix state) {
  with_rows(table, [&](const auto& rows) HWY_ATTR {
    for (std::size_t i = 0; i < gradients.rows; ++i) {
      detail::prefetch_row(table, indices, i + detail::kRowsAhead);
      detail::prefetch_row(StoredState(state), indices, i + detail::kRowsAhead);
      adam_row(step, gradients.row(i), rows, indices[i], state.row(indices[i]));
    }
  });
}

void sgd(float learning_rate, ConstMatrix gradients, std::span<const std::uint32_t> indices, const StoredRows& table) {
  with_rows(table, [&](const auto& rows) HWY_ATTR {
    for (std::size_t i = 0; i < gradients.rows; ++i) {
      detail::prefetch_row(table, indices, i + detail::kRowsAhead);
      descend(rows, indices[i], learning_rate, gradients.row(i));
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels::cpu {

HWY_EXPORT(adagrad);
HWY_EXPORT(rowwise_adagrad);
HWY_EXPORT(adam);
HWY_EXPORT(sgd);

namespace {

/// The reference updates int8 rows that are too wide for the stack.
class CpuUpdates final : public Updates {
 public:
  void adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, StoredRows table,
               StoredState state) const override {
    if (is_wide(table)) return reference::updates().adagrad(step, gradients, indices, table, state);
    check(gradients, indices, table);
    kernels::detail::check_indexed(gradients, indices, state);
    HWY_DYNAMIC_DISPATCH(adagrad)(step, gradients, indices, table, state);
  }

  void rowwise_adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices,
                       StoredRows table, std::span<float> state) const override {
    if (is_wide(table)) return reference::updates().rowwise_adagrad(step, gradients, indices, table, state);
    check(gradients, indices, table);
    kernels::detail::check_row_state(state, table);
    HWY_DYNAMIC_DISPATCH(rowwise_adagrad)(step, gradients, indices, table, state);
  }

  void adam(AdamStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, StoredRows table,
            Matrix state) const override {
    if (is_wide(table)) return reference::updates().adam(step, gradients, indices, table, state);
    check(gradients, indices, table);
    kernels::detail::check_moments(gradients, indices, table, state);
    HWY_DYNAMIC_DISPATCH(adam)(step, gradients, indices, table, state);
  }

  void sgd(float learning_rate, ConstMatrix gradients, std::span<const std::uint32_t> indices,
           StoredRows table) const override {
    if (is_wide(table)) return reference::updates().sgd(learning_rate, gradients, indices, table);
    check(gradients, indices, table);
    HWY_DYNAMIC_DISPATCH(sgd)(learning_rate, gradients, indices, table);
  }

 private:
  static bool is_wide(const StoredRows& table) {
    return table.format == RowFormat::kInt8 && table.cols > HWY_NAMESPACE::kMostCodes;
  }
  static void check(ConstMatrix gradients, std::span<const std::uint32_t> indices, const StoredRows& table) {
    kernels::detail::check_indexed(gradients, indices, table);
    kernels::detail::check_alignment(table);
  }
};

}  // namespace

const Updates& updates() {
  static const CpuUpdates instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE
