# A page that is held until the file $RELEASE exists.
class Page
  def each
    yield "begin\n"
    sleep 0.005 until File.exist?(ENV.fetch("RELEASE"))
    yield "end\n"
  end
end

run ->(_) { [200, { "Content-Type" => "text/plain" }, Page.new] }
