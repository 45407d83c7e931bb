// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/elements.hpp"
#include "kernels/cuda/detail/encode.hpp"
#include "kernels/detail/drop_block.hpp"
#include "kernels/detail/shapes.hpp"

#include <cstdint>

namespace tessera::kernels::cuda {

template <class From>
struct GatherElement {
  using Value = float;
  From table;
  const std::uint32_t* indices;  ///< or null: row i is row i of the table
  Table out;
  TESSERA_HOST_DEVICE float load(std::size_t i, std::size_t c) const {
    return table.row(indices == nullptr ? i : indices[i])[c];
  }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const { out.row(i)[c] = value; }
};

struct ScatterElement {
  using Value = float;
  ConstTable in;
  const std::uint32_t* indices;
  Table table;
  TESSERA_HOST_DEVICE float load(std::size_t i, std::size_t c) const { return in.row(i)[c]; }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, float value) const { table.row(indices[i])[c] = value; }
};

/// A column of a sum, added up in the order of its positions.
struct SumElement {
  using Value = float;
  ConstTable in;
  const std::uint32_t* offsets;
  const std::uint32_t* positions;
  Table out;
  TESSERA_HOST_DEVICE Terms terms(std::size_t u) const { return {offsets[u], offsets[u + 1]}; }
  TESSERA_HOST_DEVICE float begin(std::size_t /*u*/, std::size_t /*c*/) const { return 0; }
  TESSERA_HOST_DEVICE void add(std::size_t /*u*/, std::uint32_t k, std::size_t c, float& sum) const {
    sum += in.row(positions[k])[c];
  }
  TESSERA_HOST_DEVICE void store(std::size_t u, std::size_t c, float sum) const { out.row(u)[c] = sum; }
};

/// A column of a sum, to which a window of rows is added in the order of the rows.
struct AddSegmentElement {
  using Value = float;
  ConstTable in;
  std::size_t first;
  std::size_t end;
  const std::uint32_t* offsets;
  Table out;
  TESSERA_HOST_DEVICE Terms terms(std::size_t u) const {
    const std::size_t from = offsets[u] < first ? first : offsets[u];
    const std::size_t to = end < offsets[u + 1] ? end : offsets[u + 1];
    return {static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to)};
  }
  TESSERA_HOST_DEVICE float begin(std::size_t u, std::size_t c) const { return out.row(u)[c]; }
  TESSERA_HOST_DEVICE void add(std::size_t /*u*/, std::uint32_t k, std::size_t c, float& sum) const {
    sum += in.row(k - first)[c];
  }
  TESSERA_HOST_DEVICE void store(std::size_t u, std::size_t c, float sum) const { out.row(u)[c] = sum; }
};

struct AddElement {
  struct Value {
    float added;
    float to;
  };
  ConstTable in;
  const std::uint32_t* from;
  const std::uint32_t* to;
  Table table;
  TESSERA_HOST_DEVICE Value load(std::size_t k, std::size_t c) const {
    return {in.row(from[k])[c], table.row(to[k])[c]};
  }
  TESSERA_HOST_DEVICE void store(std::size_t k, std::size_t c, const Value& value) const {
    table.row(to[k])[c] = value.to + value.added;
  }
};

struct FillElement {
  float value;
  Table out;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t c) const { out.row(i)[c] = value; }
};

/// Drops the columns of a row that share a counter.
struct DropElement {
  DropoutMask mask;
  const std::uint32_t* mask_rows;  // or null
  Table rows;
  std::size_t dim;
  TESSERA_HOST_DEVICE void operator()(std::size_t i, std::size_t block) const {
    kernels::detail::drop_block(mask, mask_rows == nullptr ? i : mask_rows[i], block, rows.row(i), dim);
  }
};

template <class Launcher>
class GridRows final : public BasicRows<Launcher::kSpace> {
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  using Matrix = BasicMatrix<Launcher::kSpace>;
  using Indices = Vector<Launcher::kSpace, const std::uint32_t>;

 public:
  explicit GridRows(Launcher launch) : launch_(launch) {}

  void gather(BasicConstStoredRows<Launcher::kSpace> table, Indices indices, Matrix out) const override {
    kernels::detail::check_indexed(out, indices, table);
    with_table(table, [&]<class From>(From from) {
      launch_elements(launch_, out.rows, out.cols, GatherElement<From>{from, indices.data(), Table(out)});
    });
  }

  void take(BasicConstStoredRows<Launcher::kSpace> table, Indices indices,
            BasicStoredRows<Launcher::kSpace> out) const override {
    kernels::detail::check_taken(table, indices, out);
    switch (table.format) {
      case RowFormat::kFp32: return launch_take<std::uint32_t>(table, indices, out);
      case RowFormat::kBf16:
      case RowFormat::kFp16: return launch_take<std::uint16_t>(table, indices, out);
      case RowFormat::kInt8: return launch_encode(StoredSource{ConstScaledTable(table), indices.data()}, out);
      case RowFormat::kInt8Groups:
      case RowFormat::kInt4Groups: break;
    }
    kernels::detail::refuse_groups();
  }

  void encode(ConstMatrix in, BasicStoredRows<Launcher::kSpace> table) const override {
    kernels::detail::check_same_shape(in, table);
    with_table(table, [&]<class To>(To to) {
      if constexpr (To::kIsScaled)
        launch_encode(MatrixSource{ConstTable(in)}, table);
      else
        launch_elements(launch_, in.rows, in.cols, EncodeElement<To>{ConstTable(in), to});
    });
  }

  void decode(BasicConstStoredRows<Launcher::kSpace> table, Matrix out) const override {
    kernels::detail::check_same_shape(table, out);
    with_table(table, [&]<class From>(From from) {
      launch_elements(launch_, out.rows, out.cols, GatherElement<From>{from, nullptr, Table(out)});
    });
  }

  void scatter(ConstMatrix in, Indices indices, Matrix table) const override {
    kernels::detail::check_indexed(in, indices, table);
    launch_elements(launch_, in.rows, in.cols, ScatterElement{ConstTable(in), indices.data(), Table(table)});
  }

  void sum_segments(ConstMatrix in, Indices offsets, Indices positions, Matrix out) const override {
    kernels::detail::check_segments(in, offsets, positions, out);
    launch_elements(launch_, out.rows, out.cols,
                    SumElement{ConstTable(in), offsets.data(), positions.data(), Table(out)});
  }

  void add(ConstMatrix in, Indices from, Indices to, Matrix table) const override {
    kernels::detail::check_added(in, from, to, table);
    launch_elements(launch_, to.size(), table.cols, AddElement{ConstTable(in), from.data(), to.data(), Table(table)});
  }

  void fill(float value, Matrix out) const override {
    launch_elements(launch_, out.rows, out.cols, FillElement{value, Table(out)});
  }

  void add_segments(ConstMatrix in, std::size_t first, Indices offsets, Matrix out) const override {
    kernels::detail::check_segment_window(in, offsets, out);
    launch_elements(launch_, out.rows, out.cols,
                    AddSegmentElement{ConstTable(in), first, first + in.rows, offsets.data(), Table(out)});
  }

  void drop(const DropoutMask& mask, Indices mask_rows, Matrix rows) const override {
    kernels::detail::check_mask_rows(mask_rows, rows);
    launch_elements(launch_, rows.rows, DropoutMask::blocks(rows.cols),
                    DropElement{mask, mask_rows.empty() ? nullptr : mask_rows.data(), Table(rows), rows.cols});
  }

 private:
  template <class Stored>
  void launch_take(BasicConstStoredRows<Launcher::kSpace> table, Indices indices,
                   BasicStoredRows<Launcher::kSpace> out) const {
    launch_elements(
        launch_, out.rows, out.cols,
        TakeElement<Stored>{reinterpret_cast<const Stored*>(table.data), table.stride / sizeof(Stored), indices.data(),
                            reinterpret_cast<Stored*>(out.data), out.stride / sizeof(Stored)});
  }

  template <class Source>
  void launch_encode(Source source, BasicStoredRows<Launcher::kSpace> out) const {
    launch_(blocks_of(kLaneRows, out.rows), EncodeRowsBody<Source>{source, ScaledTable(out), out.rows, out.cols});
  }

  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
