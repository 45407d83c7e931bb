// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace tessera::foreign {

/// A matrix of numbers in a file of another program: NumPy's .npy, or a tensor of a .safetensors file, named
/// "FILE.safetensors:TENSOR". Rows are read when they are asked for. The file is not trusted.
class TensorFile {
 public:
  /// Throws Error: kMissingInput; kBadData for a file that is damaged or no matrix of floating-point numbers; kUsage
  /// for a tensor that is not in the file.
  explicit TensorFile(const std::string& name) : TensorFile(name, 2) {}
  /// The same for a tensor with at least so many axes; one with a single axis is one row.
  TensorFile(const std::string& name, std::size_t fewest_axes);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  /// Reals per row, all further axes together; a complex number counts as two.
  [[nodiscard]] std::uint64_t cols() const { return cols_; }
  /// Complex numbers: each is two reals, side by side.
  [[nodiscard]] bool is_complex() const { return is_complex_; }
  [[nodiscard]] const std::vector<std::uint64_t>& shape() const { return shape_; }
  /// out[cols] = row i, in fp32. Throws Error(kIo), Error(kBadData) when the file has become shorter.
  void read(std::uint64_t i, std::span<float> out);

 private:
  enum class Number : std::uint8_t { kF16, kBf16, kF32, kF64 };
  void open_npy();
  void open_safetensors(const std::string& tensor);
  void set_shape(const std::vector<std::uint64_t>& shape);
  void check_size() const;
  [[nodiscard]] std::size_t number_bytes() const;

  std::string name_;
  std::size_t fewest_axes_;
  std::vector<std::uint64_t> shape_;
  std::string path_;
  std::ifstream in_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t begin_ = 0;  // of the numbers
  std::uint64_t rows_ = 0;
  std::uint64_t cols_ = 0;
  Number number_ = Number::kF32;
  bool is_complex_ = false;
  std::vector<char> raw_;
};

/// The names of the tensors of a .safetensors file. Throws Error(kMissingInput), Error(kBadData).
std::vector<std::string> tensor_names(const std::string& file);

}  // namespace tessera::foreign
