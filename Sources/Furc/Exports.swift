// The modules whose types stand in what the library offers. Who imports Furc needs no other import.

@_exported import Executor
@_exported import GraphIR
@_exported import KernelIR
@_exported import Machine
@_exported import NPUChecker
@_exported import NPUCompiler
@_exported import NPUISA
@_exported import NPUInterpreter
@_exported import ONNX
@_exported import Operators
@_exported import Passes
@_exported import Quantization
@_exported import Support
@_exported import TargetFiles
@_exported import Tensors
