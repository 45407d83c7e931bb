// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/row_access.hpp"
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::kernels::reference {
namespace {

class ReferenceRows final : public Rows {
 public:
  void gather(ConstStoredRows table, std::span<const std::uint32_t> indices, Matrix out) const override {
    detail::check_indexed(out, indices, table);
    if (is_grouped(table.format)) {
      for (std::size_t i = 0; i < indices.size(); ++i)
        decode_groups(table.row(indices[i]), table.cols, grouped_bits(table.format), out.row(i));
      return;
    }
    detail::with_table(table, [&](auto from) {
      for (std::size_t i = 0; i < indices.size(); ++i)
        for (std::size_t c = 0; c < table.cols; ++c) out.row(i)[c] = from.row(indices[i])[c];
    });
  }

  void take(ConstStoredRows table, std::span<const std::uint32_t> indices, StoredRows out) const override {
    detail::check_taken(table, indices, out);
    if (table.format != RowFormat::kInt8) {
      for (std::size_t i = 0; i < indices.size(); ++i)
        std::memcpy(out.row(i), table.row(indices[i]), row_bytes(table.format, table.cols));
      return;
    }
    const detail::ConstScaledTable from(table);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (const float* hot = from.row(indices[i]).hot)
        detail::encode_row(hot, table.cols, out.row(i));
      else
        std::memcpy(out.row(i), table.row(indices[i]), row_bytes(table.format, table.cols));
    }
  }

  void encode(ConstMatrix in, StoredRows table) const override {
    detail::check_same_shape(in, table);
    if (is_grouped(table.format)) {
      for (std::size_t i = 0; i < table.rows; ++i)
        encode_groups(in.row(i), table.cols, grouped_bits(table.format), table.row(i));
      return;
    }
    detail::with_table(table, [&]<class To>(To to) {
      for (std::size_t i = 0; i < table.rows; ++i)
        if constexpr (To::kIsScaled)
          detail::encode_row(in.row(i), table.cols, table.row(i));
        else
          for (std::size_t c = 0; c < table.cols; ++c) to.store_nearest(i, c, in.row(i)[c]);
    });
  }

  void decode(ConstStoredRows table, Matrix out) const override {
    detail::check_same_shape(table, out);
    if (is_grouped(table.format)) {
      for (std::size_t i = 0; i < table.rows; ++i)
        decode_groups(table.row(i), table.cols, grouped_bits(table.format), out.row(i));
      return;
    }
    detail::with_table(table, [&](auto from) {
      for (std::size_t i = 0; i < table.rows; ++i)
        for (std::size_t c = 0; c < table.cols; ++c) out.row(i)[c] = from.row(i)[c];
    });
  }

  void scatter(ConstMatrix in, std::span<const std::uint32_t> indices, Matrix table) const override {
    detail::check_indexed(in, indices, table);
    for (std::size_t i = 0; i < indices.size(); ++i) std::copy_n(in.row(i), in.cols, table.row(indices[i]));
  }

  void sum_segments(ConstMatrix in, std::span<const std::uint32_t> offsets, std::span<const std::uint32_t> positions,
                    Matrix out) const override {
    detail::check_segments(in, offsets, positions, out);
    for (std::size_t u = 0; u < out.rows; ++u) {
      std::fill_n(out.row(u), out.cols, 0.0F);
      for (std::uint32_t k = offsets[u]; k < offsets[u + 1]; ++k)
        for (std::size_t c = 0; c < out.cols; ++c) out.row(u)[c] += in.row(positions[k])[c];
    }
  }

  void add(ConstMatrix in, std::span<const std::uint32_t> from, std::span<const std::uint32_t> to,
           Matrix table) const override {
    detail::check_added(in, from, to, table);
    for (std::size_t k = 0; k < to.size(); ++k)
      for (std::size_t c = 0; c < table.cols; ++c) table.row(to[k])[c] += in.row(from[k])[c];
  }

  void fill(float value, Matrix out) const override {
    for (std::size_t i = 0; i < out.rows; ++i) std::fill_n(out.row(i), out.cols, value);
  }

  void add_segments(ConstMatrix in, std::size_t first, std::span<const std::uint32_t> offsets,
                    Matrix out) const override {
    detail::check_segment_window(in, offsets, out);
    for (std::size_t u = 0; u < out.rows; ++u) {
      const std::size_t end = std::min<std::size_t>(offsets[u + 1], first + in.rows);
      for (std::size_t k = std::max<std::size_t>(offsets[u], first); k < end; ++k)
        for (std::size_t c = 0; c < out.cols; ++c) out.row(u)[c] += in.row(k - first)[c];
    }
  }

  void drop(const DropoutMask& mask, std::span<const std::uint32_t> mask_rows, Matrix rows) const override {
    detail::check_mask_rows(mask_rows, rows);
    for (std::size_t i = 0; i < rows.rows; ++i)
      mask.apply(mask_rows.empty() ? i : mask_rows[i], rows.row(i), rows.cols);
  }
};

}  // namespace

const Rows& rows() {
  static const ReferenceRows instance;
  return instance;
}

}  // namespace tessera::kernels::reference
