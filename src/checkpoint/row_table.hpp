// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/stored_rows.hpp"
#include "model/parameters.hpp"
#include "storage/hdf5.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Entity rows and states of a part in a file: in the formats of the job, byte for byte as they lie in memory.
namespace tessera::checkpoint {

/// A dataset [rows, ...] for rows in a format, as they are stored; the caller appends them. The root attribute
/// `row_format` names the format.
storage::DatasetWriter start_rows(storage::FileWriter& file, const std::string& path, kernels::RowFormat format,
                                  std::uint64_t rows, std::uint64_t dim);

/// Writes rows without gaps, and hot rows beside them.
void write_rows(storage::FileWriter& file, const std::string& path, const kernels::ConstStoredRows& rows);

/// Reads all rows. Rows in fp32 are rounded to the nearest where `rows` has another format. Throws Error(kBadData) for
/// another shape, for hot rows out of order and for a scale that is not finite, Error(kUsage) for rows of another
/// format.
void read_rows(const storage::FileReader& file, const std::string& path, const kernels::StoredRows& rows);

/// The same for the rows of a part, which are used where they lie if the store of `parameters` maps files: then the
/// file must have them in the format of the table.
void read_rows(const storage::FileReader& file, const std::string& path, const model::Parameters& parameters,
               model::PartTable& table);

/// The same for states; the root attribute is `state_format`. They are not converted.
void write_state(storage::FileWriter& file, const std::string& path, const kernels::StoredState& state);
void read_state(const storage::FileReader& file, const std::string& path, const kernels::StoredState& state);

/// The format of the rows of a file; files of older versions are in fp32. Throws Error(kBadData).
kernels::RowFormat row_format_of(const storage::FileReader& file);

/// Reads rows of any format, some at a time.
class RowTableReader {
 public:
  /// `file` outlives this. Throws Error(kBadData) for a table that is not [rows, dim].
  RowTableReader(const storage::FileReader& file, std::string path, std::uint64_t rows, std::uint64_t dim);
  /// The next `count` rows as they are stored, until the next call; no checksum. Throws Error(kBadData), as
  /// read_rows().
  kernels::ConstStoredRows read_stored(std::size_t count);
  /// out [n, dim] = the next n rows in fp32.
  void read_next(const kernels::Matrix& out);

 private:
  kernels::ConstMatrix read_hot(std::size_t rows);

  const storage::FileReader& file_;
  std::string path_;
  kernels::RowFormat format_;
  std::size_t dim_;
  std::uint64_t next_ = 0;       // row
  std::uint64_t next_slot_ = 0;  // of a hot row
  std::vector<std::byte> bytes_;
  std::vector<float> hot_;
};

}  // namespace tessera::checkpoint
