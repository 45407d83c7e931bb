// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/detail/prefetch.hpp"
#include "kernels/cpu/families.hpp"
#include "kernels/detail/row_access.hpp"
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rows.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/detail/stored_inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

/// Four registers of columns of the sum of rows positions[0 .. count-1].
HWY_INLINE void sum_wide(ConstMatrix in, const std::uint32_t* positions, std::size_t count, float* out) {
  const Full d;
  const std::size_t lanes = hn::Lanes(d);
  Vec<Full> sums[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  for (std::size_t k = 0; k < count; ++k) {
    const float* row = in.row(positions[k]);
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < 4; ++v) sums[v] = hn::Add(sums[v], hn::LoadU(d, row + v * lanes));
  }
  HWY_UNROLL(4)
  for (std::size_t v = 0; v < 4; ++v) hn::StoreU(sums[v], d, out + v * lanes);
}

void sum_segment(ConstMatrix in, const std::uint32_t* positions, std::size_t count, float* out) {
  const std::size_t wide = 4 * hn::Lanes(Full());
  const std::size_t done = in.cols / wide * wide;
  for (std::size_t c = 0; c < done; c += wide) sum_wide(in.columns(c, wide), positions, count, out + c);
  for_columns(in.cols - done, [=](auto d, std::size_t c) HWY_ATTR {
    auto sum = hn::Zero(d);
    for (std::size_t k = 0; k < count; ++k) sum = hn::Add(sum, hn::LoadU(d, in.row(positions[k]) + done + c));
    hn::StoreU(sum, d, out + done + c);
  });
}

void sum_segments(ConstMatrix in, const std::uint32_t* offsets, const std::uint32_t* positions, Matrix out) {
  for (std::size_t u = 0; u < out.rows; ++u)
    sum_segment(in, positions + offsets[u], offsets[u + 1] - offsets[u], out.row(u));
}

template <class Reader>
HWY_INLINE void widen_row(const Reader& from, std::size_t columns, float* out) {
  for_columns(columns, [=](auto d, std::size_t c) HWY_ATTR { hn::StoreU(from.load(d, c), d, out + c); });
}

/// Calls widen(row of the table, row of out) for all rows, in the order of the list.
template <class Widen>
HWY_INLINE void each_row(const ConstStoredRows& table, std::span<const std::uint32_t> indices, Matrix out,
                         const Widen& widen) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    detail::prefetch_row(table, indices, i + detail::kRowsAhead);
    widen(table.row(indices[i]), out.row(i));
  }
}

template <class Format>
void gather_elements(const ConstStoredRows& table, std::span<const std::uint32_t> indices, Matrix out) {
  each_row(table, indices, out, [&](const std::byte* row, float* to) HWY_ATTR {
    widen_row(RowReader<Format>{reinterpret_cast<const typename Format::Stored*>(row)}, table.cols, to);
  });
}

void gather_codes(const ConstStoredRows& table, std::span<const std::uint32_t> indices, Matrix out) {
  each_row(table, indices, out, [&](const std::byte* row, float* to) HWY_ATTR {
    with_reader(row, table.hot, [&](const auto& from) HWY_ATTR { widen_row(from, table.cols, to); });
  });
}

/// The codes of a whole group of 4 bits.
HWY_INLINE void widen_pairs(const Group<const std::byte>& group, float* out) {
  const float scale = group.scale_value();
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(group.codes);
  for_columns(kGroupColumns / 2, [=](auto d, std::size_t c) HWY_ATTR {
    const Signed<decltype(d)> s;
    const auto pair = hn::PromoteTo(s, hn::LoadU(hn::Rebind<std::uint8_t, decltype(d)>(), bytes + c));
    const auto widen = [=](auto code) HWY_ATTR {
      return hn::Mul(hn::ConvertTo(d, hn::Sub(code, hn::Set(s, 8))), hn::Set(d, scale));
    };
    hn::StoreU(widen(hn::And(pair, hn::Set(s, 15))), d, out + c);
    hn::StoreU(widen(hn::ShiftRight<4>(pair)), d, out + c + kGroupColumns / 2);
  });
}

HWY_INLINE void widen_groups(const std::byte* row, std::size_t cols, std::size_t bits, float* out) {
  for (std::size_t g = 0; g < group_count(cols); ++g) {
    const Group group = group_of(row, cols, bits, g);
    float* to = out + group.first;
    if (bits == 8)
      widen_row(CodeReader{reinterpret_cast<const std::int8_t*>(group.codes), group.scale_value()}, group.columns, to);
    else if (group.columns == kGroupColumns)
      widen_pairs(group, to);
    else
      for (std::size_t c = 0; c < group.columns; ++c) to[c] = static_cast<float>(group.code4(c)) * group.scale_value();
  }
}

void gather_groups(const ConstStoredRows& table, std::span<const std::uint32_t> indices, Matrix out) {
  const std::size_t bits = grouped_bits(table.format);
  each_row(table, indices, out,
           [&](const std::byte* row, float* to) HWY_ATTR { widen_groups(row, table.cols, bits, to); });
}

void gather_small(const ConstStoredRows& table, std::span<const std::uint32_t> indices, Matrix out) {
  if (table.format == RowFormat::kBf16) return gather_elements<Bf16>(table, indices, out);
  if (table.format == RowFormat::kFp16) return gather_elements<Fp16>(table, indices, out);
  if (is_grouped(table.format)) return gather_groups(table, indices, out);
  gather_codes(table, indices, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels::cpu {

HWY_EXPORT(sum_segments);
HWY_EXPORT(gather_small);

namespace {

class CpuRows final : public Rows {
 public:
  void gather(ConstStoredRows table, std::span<const std::uint32_t> indices, Matrix out) const override {
    kernels::detail::check_indexed(out, indices, table);
    kernels::detail::check_alignment(table);
    if (!table.is_fp32()) return HWY_DYNAMIC_DISPATCH(gather_small)(table, indices, out);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      detail::prefetch_row(table, indices, i + detail::kRowsAhead);
      std::memcpy(out.row(i), table.row(indices[i]), table.cols * sizeof(float));
    }
  }

  void take(ConstStoredRows table, std::span<const std::uint32_t> indices, StoredRows out) const override {
    kernels::detail::check_taken(table, indices, out);
    const bool may_be_hot = table.format == RowFormat::kInt8;
    for (std::size_t i = 0; i < indices.size(); ++i) {
      detail::prefetch_row(table, indices, i + detail::kRowsAhead);
      const std::byte* row = table.row(indices[i]);
      if (may_be_hot && is_hot(row))
        kernels::detail::encode_row(table.hot.row(hot_slot(row)), table.cols, out.row(i));
      else
        std::memcpy(out.row(i), row, row_bytes(table.format, table.cols));
    }
  }

  void encode(ConstMatrix in, StoredRows table) const override { reference::rows().encode(in, table); }

  void decode(ConstStoredRows table, Matrix out) const override {
    kernels::detail::check_same_shape(table, out);
    std::array<std::uint32_t, 256> piece{};
    std::iota(piece.begin(), piece.end(), 0U);
    for (std::size_t first = 0; first < table.rows; first += piece.size()) {
      const std::size_t count = std::min(piece.size(), table.rows - first);
      gather(table.block(first, count), std::span(piece).first(count), out.block(first, count));
    }
  }

  void scatter(ConstMatrix in, std::span<const std::uint32_t> indices, Matrix table) const override {
    kernels::detail::check_indexed(in, indices, table);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      detail::prefetch_row(ConstStoredRows(table), indices, i + detail::kRowsAhead);
      std::memcpy(table.row(indices[i]), in.row(i), in.cols * sizeof(float));
    }
  }

  void sum_segments(ConstMatrix in, std::span<const std::uint32_t> offsets, std::span<const std::uint32_t> positions,
                    Matrix out) const override {
    kernels::detail::check_segments(in, offsets, positions, out);
    HWY_DYNAMIC_DISPATCH(sum_segments)(in, offsets.data(), positions.data(), out);
  }

  void add(ConstMatrix in, std::span<const std::uint32_t> from, std::span<const std::uint32_t> to,
           Matrix table) const override {
    reference::rows().add(in, from, to, table);
  }

  void fill(float value, Matrix out) const override { reference::rows().fill(value, out); }

  void add_segments(ConstMatrix in, std::size_t first, std::span<const std::uint32_t> offsets,
                    Matrix out) const override {
    reference::rows().add_segments(in, first, offsets, out);
  }

  void drop(const DropoutMask& mask, std::span<const std::uint32_t> mask_rows, Matrix rows) const override {
    reference::rows().drop(mask, mask_rows, rows);
  }
};

}  // namespace

const Rows& rows() {
  static const CpuRows instance;
  return instance;
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE
