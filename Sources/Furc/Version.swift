/// Of the tool and the library.
public let furcVersion = "0.1.0"
