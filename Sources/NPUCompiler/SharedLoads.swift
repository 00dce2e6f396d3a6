import Machine
import NPUISA
import Tensors

/// Loads of constants into the register file, or of words into the vector registers, by halves. What kernels in a row need comes
/// with one instruction where it lies alike and a half holds it: every load costs its issue.
struct LoadQueue {
  /// How packets lie: in slices that hold all, or dealt out over rings of them.
  struct Form: Hashable {
    var slices: Int
    var ring: Int
    var inner: Int
    var element: ElementType
    var zeroPoint: Int16 = 0
  }

  /// One instruction.
  struct Load {
    var form: Form
    /// The first unit or word.
    var base: Int
    /// Where its packets begin in SRAM.
    var offset: Int
    /// Packets of a slice: of the kernels so far, and of all that it brings.
    var packets: Int
    var total: Int
  }

  let memory: Access.Memory
  /// Bytes in SRAM and units or words of a packet.
  let packetBytes: Int
  let width: Int
  /// Units or words.
  let capacity: Int
  /// The half that was loaded last.
  private(set) var half = 0
  /// The load that may bring more.
  private(set) var open: Load?
  /// Packets of the loads so far, in their order.
  private(set) var totals: [Int] = []
  /// The same of the whole program, if it is known already.
  var planned: [Int]?

  /// Whether every load brought what was planned, if anything was.
  var isAsPlanned: Bool { planned.map { $0 == totals } ?? true }

  static func registers(_ machine: SliceMachine) -> LoadQueue {
    LoadQueue(
      memory: .registerFile, packetBytes: machine.packetBytes, width: 1,
      capacity: machine.registerFileBytes / machine.packetBytes)
  }

  static func words(_ machine: SliceMachine) -> LoadQueue {
    LoadQueue(
      memory: .vectorRegisters, packetBytes: 32, width: 8, capacity: machine.vectorRegisterBytes / 4)
  }

  private init(memory: Access.Memory, packetBytes: Int, width: Int, capacity: Int) {
    self.memory = memory
    self.packetBytes = packetBytes
    self.width = width
    self.capacity = capacity
  }

  func count(_ packets: Int, _ form: Form) -> Int { packets * form.ring * width }

  func fitsHalf(_ packets: Int, _ form: Form) -> Bool { count(packets, form) <= capacity / 2 }

  /// The start of the half that was not loaded last.
  var otherHalf: Int { (1 - half) * (capacity / 2) }

  /// The other half, from now on the last.
  mutating func turn() -> Int {
    open = nil
    half = 1 - half
    return half * (capacity / 2)
  }

  /// What is written to some units or words ends the load that might have brought more there.
  mutating func close(overlapping range: Range<Int>) {
    let last = half * (capacity / 2)
    if range.overlaps(last..<(last + capacity / 2)) { open = nil }
  }

  /// Whether the open load brings so many packets more.
  func extends(_ packets: Int, _ form: Form) -> Bool {
    guard let open, open.form == form, fitsHalf(open.packets + packets, form) else { return false }
    return planned == nil || open.packets + packets <= open.total
  }

  /// - Returns: the first unit or word, and where the packets lie in SRAM as far as that is planned.
  mutating func extend(_ packets: Int) -> (base: Int, offset: Int) {
    guard var load = open else { return (0, 0) }
    let place = (load.base + count(load.packets, load.form), load.offset + load.packets * packetBytes)
    load.packets += packets
    load.total = max(load.total, load.packets)
    open = load
    totals[totals.count - 1] = load.packets
    return place
  }

  /// Packets that the next load has to bring, of which a kernel needs so many.
  func totalOfNext(_ packets: Int) -> Int {
    guard let planned, totals.count < planned.count else { return packets }
    return max(planned[totals.count], packets)
  }

  /// A load into the other half, or into all from the start where a half is too small.
  /// - Parameter mayGrow: whether the constants of later kernels may come with it.
  mutating func start(_ packets: Int, total: Int, _ form: Form, offset: Int, mayGrow: Bool) -> Load {
    let fits = fitsHalf(total, form)
    let base = fits ? turn() : 0
    let load = Load(form: form, base: base, offset: offset, packets: packets, total: total)
    open = mayGrow && fits ? load : nil
    totals.append(packets)
    return load
  }

  /// A load of more than a half, the number-th of those that take turns: what the one before leaves free, which comes beside the work
  /// with that, then the rest.
  func parts(of load: Load, _ number: Int) -> [Load] {
    let step = count(1, load.form)
    let free = (capacity - count(load.packets, load.form)) / step
    guard number > 0, free * 4 >= load.packets else { return [load] }
    var (first, second) = (load, load)
    (first.packets, second.packets) = (free, load.packets - free)
    if load.base == 0 {
      second.base += free * step
      second.offset += free * packetBytes
    } else {
      first.base += second.packets * step
      first.offset += second.packets * packetBytes
    }
    return [first, second]
  }

  /// The instruction that brings `packets` of every slice.
  func instruction(_ load: Load, packets: Int) -> TensorInstruction {
    var body = TensorInstruction()
    body.sliceCount = UInt16(load.form.slices)
    body.fetch.base = Int32(load.offset)
    body.fetch.element = load.form.element
    body.fetch.packetElements = UInt8(packetBytes / load.form.element.size)
    body.fetch.zeroPoint = load.form.zeroPoint
    var own = TensorInstruction.Loop()
    own.size = UInt32(packets)
    own.fetchStride = Int32(packetBytes)
    body.loops = [own]
    if load.form.ring > 1 {
      var others = TensorInstruction.Loop()
      others.size = UInt32(load.form.ring)
      others.kind = .ring1
      body.loops.append(others)
      body.exchange.kind = .broadcast1
      body.exchange.outer = UInt16(load.form.ring)
      body.exchange.inner = UInt16(load.form.inner)
    }
    let steps = [Int32(width * load.form.ring), Int32(width)]
    for index in body.loops.indices {
      if memory == .registerFile {
        body.loops[index].registerStride = steps[index]
      } else {
        body.loops[index].commitStride = steps[index]
      }
    }
    body.sink =
      memory == .registerFile
      ? .registerFile(base: Int32(load.base)) : .vectorRegisters(base: Int32(load.base))
    return body
  }
}

/// Constants of a kernel on their way to the register file or the vector registers.
struct PlacedLoad {
  /// In SRAM.
  var offset: Int
  /// Whether the load program puts them there.
  var isLoad: Bool
  /// The first unit or word.
  var base: Int
  /// What brings them, if no load before does.
  var pending: LoadQueue.Load?
}

extension ProgramCompiler {
  /// Finds room for packets of constants in SRAM, and in a half of a memory of the tensor unit: behind those of the kernels before
  /// where one load brings both.
  mutating func place(
    _ path: WritableKeyPath<ProgramCompiler, LoadQueue>, _ packets: Int, _ form: LoadQueue.Form,
    _ what: String
  ) throws(Failure) -> PlacedLoad {
    let queue = self[keyPath: path]
    let extends = sharesLoads && queue.extends(packets, form)
    if extends, !isDry {
      let (base, offset) = self[keyPath: path].extend(packets)
      return PlacedLoad(offset: offset, isLoad: true, base: base)
    }
    let total = sharesLoads ? queue.totalOfNext(packets) : packets
    let (offset, isLoad) = try placeConstant(total * queue.packetBytes, what)
    if extends, isLoad, let before = queue.open {
      let base = self[keyPath: path].extend(packets).base
      run.spend(
        queue.instruction(before, packets: before.packets + packets), .sub,
        insteadOf: queue.instruction(before, packets: before.packets))
      return PlacedLoad(offset: offset, isLoad: true, base: base)
    }
    guard isLoad || total == packets else { throw .doesNotFit(what) }
    let load = self[keyPath: path].start(
      packets, total: total, form, offset: offset, mayGrow: sharesLoads && isLoad)
    return PlacedLoad(offset: offset, isLoad: isLoad, base: load.base, pending: load)
  }

  /// Emits the load that brings constants, where none before does.
  mutating func emit(_ placed: PlacedLoad, _ path: KeyPath<ProgramCompiler, LoadQueue>) {
    guard let load = placed.pending else { return }
    let queue = self[keyPath: path]
    let bytes = load.offset..<(load.offset + load.total * queue.packetBytes)
    let range = load.base..<(load.base + queue.count(load.total, load.form))
    run.append(
      .tensor(queue.instruction(load, packets: load.total)), .sub,
      [.read(.sram, bytes, slices: 0..<load.form.slices), .write(queue.memory, range)])
  }
}
