// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "foreign/tensor_file.hpp"

#include "core/error.hpp"
#include "kernels/bfloat16.hpp"
#include "kernels/half.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <array>
#include <bit>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>

namespace tessera::foreign {
namespace {

constexpr std::uint64_t kMostHeaderBytes = std::uint64_t{64} << 20U;
constexpr std::uint64_t kMostCols = std::uint64_t{1} << 32U;

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  fail(ExitStatus::kBadData, "'{}': {}", name, why);
}

/// "FILE.safetensors" and "TENSOR" of "FILE.safetensors:TENSOR".
std::optional<std::pair<std::string, std::string>> split_tensor(const std::string& name) {
  constexpr std::string_view kEnding = ".safetensors";
  const std::size_t at = name.rfind(std::string(kEnding) + ":");
  if (at != std::string::npos)
    return std::pair(name.substr(0, at + kEnding.size()), name.substr(at + kEnding.size() + 1));
  if (name.ends_with(kEnding)) return std::pair(name, std::string());
  return std::nullopt;
}

/// The value of a key in the header of an .npy file, which is a dict as Python prints it.
std::string_view value_of(std::string_view header, std::string_view key, const std::string& name) {
  const std::size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) refuse(name, fmt::format("its header has no '{}'", key));
  std::string_view value = header.substr(at + key.size() + 3);
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return value;
}

std::vector<std::uint64_t> parse_shape(std::string_view text, const std::string& name) {
  const std::size_t end = text.find(')');
  if (!text.starts_with('(') || end == std::string_view::npos) refuse(name, "its header has no shape");
  std::vector<std::uint64_t> shape;
  std::uint64_t number = 0;
  bool has_digits = false;
  for (const char c : text.substr(1, end - 1)) {
    if (c >= '0' && c <= '9') {
      if (number > std::numeric_limits<std::uint64_t>::max() / 16) refuse(name, "its shape is too large");
      number = number * 10 + static_cast<std::uint64_t>(c - '0');
      has_digits = true;
    } else if (c == ',') {
      if (has_digits) shape.push_back(number);
      number = 0;
      has_digits = false;
    } else if (c != ' ') {
      refuse(name, "its shape is no list of numbers");
    }
  }
  if (has_digits) shape.push_back(number);
  return shape;
}

template <class T>
T load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

struct Header {
  nlohmann::json tensors;
  std::uint64_t numbers;  // where they begin in the file
};

/// https://huggingface.co/docs/safetensors
Header read_header(std::ifstream& in, const std::string& path, std::uint64_t file_bytes) {
  std::array<char, 8> start{};
  in.read(start.data(), start.size());
  const auto length = load<std::uint64_t>(start.data());
  if (in.gcount() < 8 || length > kMostHeaderBytes || length + 8 > file_bytes)
    refuse(path, "no safetensors file: its header is longer than the file");
  std::string header(length, ' ');
  in.read(header.data(), static_cast<std::streamsize>(length));
  nlohmann::json json = nlohmann::json::parse(header, nullptr, false);
  if (!json.is_object()) refuse(path, "no safetensors file: its header is no JSON object");
  return {std::move(json), 8 + length};
}

std::vector<std::string> names_in(const nlohmann::json& tensors) {
  std::vector<std::string> names;
  for (const auto& [key, value] : tensors.items())
    if (key != "__metadata__") names.push_back(key);
  return names;
}

}  // namespace

std::vector<std::string> tensor_names(const std::string& file) {
  if (!std::filesystem::is_regular_file(file)) fail(ExitStatus::kMissingInput, "file '{}' does not exist", file);
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(ExitStatus::kMissingInput, "file '{}' cannot be opened", file);
  return names_in(read_header(in, file, std::filesystem::file_size(file)).tensors);
}

TensorFile::TensorFile(const std::string& name, std::size_t fewest_axes)
    : name_(name), fewest_axes_(fewest_axes), path_(name) {
  const auto tensor = split_tensor(name);
  if (tensor) path_ = tensor->first;
  if (!std::filesystem::is_regular_file(path_)) fail(ExitStatus::kMissingInput, "file '{}' does not exist", path_);
  file_bytes_ = std::filesystem::file_size(path_);
  in_.open(path_, std::ios::binary);
  if (!in_) fail(ExitStatus::kMissingInput, "file '{}' cannot be opened", path_);
  if (tensor)
    open_safetensors(tensor->second);
  else
    open_npy();
  check_size();
  raw_.resize(cols_ * number_bytes());
}

/// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
void TensorFile::open_npy() {
  std::array<char, 12> start{};
  in_.read(start.data(), start.size());
  if (in_.gcount() < 12 || std::string_view(start.data(), 6) != "\x93NUMPY")
    refuse(name_, "neither an .npy file nor a tensor (FILE.safetensors:TENSOR)");
  const bool is_old = start[6] == 1;
  const std::uint64_t prefix = is_old ? 10 : 12;
  const std::uint64_t length = is_old ? load<std::uint16_t>(&start[8]) : load<std::uint32_t>(&start[8]);
  if (length > file_bytes_ || length > kMostHeaderBytes) refuse(name_, "its header is longer than the file");
  std::string header(length, ' ');
  in_.seekg(static_cast<std::streamoff>(prefix));
  in_.read(header.data(), static_cast<std::streamsize>(length));
  begin_ = prefix + length;
  const std::string_view type = value_of(header, "descr", name_);
  constexpr std::array<std::pair<std::string_view, Number>, 3> kReal = {
      {{"'<f2'", Number::kF16}, {"'<f4'", Number::kF32}, {"'<f8'", Number::kF64}}};
  constexpr std::array<std::pair<std::string_view, Number>, 2> kComplex = {
      {{"'<c8'", Number::kF32}, {"'<c16'", Number::kF64}}};
  bool is_known = false;
  for (const auto& [word, number] : kReal)
    if (type.starts_with(word)) number_ = number, is_known = true;
  for (const auto& [word, number] : kComplex)
    if (type.starts_with(word)) number_ = number, is_known = is_complex_ = true;
  if (!is_known)
    refuse(name_, fmt::format("its numbers are {}; they are read as f2, f4, f8, c8 or c16, little-endian",
                              type.substr(0, type.find(','))));
  if (!value_of(header, "fortran_order", name_).starts_with("False"))
    refuse(name_, "it is in Fortran order; numpy.ascontiguousarray() gives the order of C");
  set_shape(parse_shape(value_of(header, "shape", name_), name_));
}

void TensorFile::open_safetensors(const std::string& tensor) {
  const auto [json, numbers] = read_header(in_, path_, file_bytes_);
  const std::vector<std::string> names = names_in(json);
  if (!json.contains(tensor) || tensor == "__metadata__")
    fail(ExitStatus::kUsage, "'{}' has no tensor '{}'; name one as FILE:TENSOR. It has: {}", path_, tensor,
         fmt::join(names, ", "));
  try {
    const nlohmann::json& entry = json.at(tensor);
    const auto type = entry.at("dtype").get<std::string>();
    constexpr std::array<std::pair<std::string_view, Number>, 4> kTypes = {
        {{"F16", Number::kF16}, {"BF16", Number::kBf16}, {"F32", Number::kF32}, {"F64", Number::kF64}}};
    bool is_known = false;
    for (const auto& [word, number] : kTypes)
      if (type == word) number_ = number, is_known = true;
    if (!is_known) refuse(name_, fmt::format("its numbers are {}; they are read as F16, BF16, F32 or F64", type));
    set_shape(entry.at("shape").get<std::vector<std::uint64_t>>());
    const auto offsets = entry.at("data_offsets").get<std::array<std::uint64_t, 2>>();
    if (offsets[0] > file_bytes_) refuse(name_, "its numbers are not in the file");
    begin_ = numbers + offsets[0];
  } catch (const nlohmann::json::exception& error) {
    refuse(name_, fmt::format("no safetensors header: {}", error.what()));
  }
}

void TensorFile::set_shape(const std::vector<std::uint64_t>& shape) {
  if (shape.size() < fewest_axes_)
    refuse(name_, fmt::format("it has {} axes; rows of numbers have at least two", shape.size()));
  const bool is_row = shape.size() < 2;
  shape_ = shape;
  rows_ = is_row ? 1 : shape.front();
  cols_ = is_complex_ ? 2 : 1;
  for (std::size_t axis = is_row ? 0 : 1; axis < shape.size(); ++axis) {
    if (shape[axis] == 0 || shape[axis] > kMostCols || (cols_ *= shape[axis]) > kMostCols)
      refuse(name_, "its rows are empty or too long");
  }
}

std::size_t TensorFile::number_bytes() const {
  switch (number_) {
    case Number::kF16:
    case Number::kBf16: return 2;
    case Number::kF32: return 4;
    case Number::kF64: break;
  }
  return 8;
}

void TensorFile::check_size() const {
  const std::uint64_t row_bytes = cols_ * number_bytes();
  if (begin_ > file_bytes_ || rows_ > (file_bytes_ - begin_) / row_bytes)
    refuse(name_, fmt::format("it promises {} rows of {} bytes, and the file is shorter", rows_, row_bytes));
}

void TensorFile::read(std::uint64_t i, std::span<float> out) {
  in_.seekg(static_cast<std::streamoff>(begin_ + i * raw_.size()));
  in_.read(raw_.data(), static_cast<std::streamsize>(raw_.size()));
  if (static_cast<std::size_t>(in_.gcount()) != raw_.size()) refuse(name_, "it has become shorter");
  for (std::size_t k = 0; k < out.size(); ++k) {
    const char* const bytes = raw_.data() + k * number_bytes();
    switch (number_) {
      case Number::kF16: out[k] = kernels::from_half(load<std::uint16_t>(bytes)); break;
      case Number::kBf16: out[k] = kernels::from_bfloat16(load<std::uint16_t>(bytes)); break;
      case Number::kF32: out[k] = load<float>(bytes); break;
      case Number::kF64: out[k] = static_cast<float>(load<double>(bytes)); break;
    }
  }
}

}  // namespace tessera::foreign
