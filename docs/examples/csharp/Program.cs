// Sends one message, and asks what became of it: dotnet run FROM TO ORDER
// RELAY_URL is like https://relay.example.com/email/v1; RELAY_LOGIN and RELAY_PASSWORD are those of `relay credential add`.
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

static string Setting(string name) => Environment.GetEnvironmentVariable(name) ?? throw new Exception($"{name} is not set");

using var http = new HttpClient();
var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Setting("RELAY_LOGIN")}:{Setting("RELAY_PASSWORD")}"));
http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", login);

// The Result. Tried again where the relay says when to; throws for what it refuses.
async Task<JsonElement> Call(HttpMethod method, string path, object? body = null, string key = "")
{
    for (var left = 3; ; left--)
    {
        using var request = new HttpRequestMessage(method, Setting("RELAY_URL") + path);
        if (body != null) request.Content = JsonContent.Create(body, options: new JsonSerializerOptions());
        if (key != "") request.Headers.Add("Idempotency-Key", key);
        using var reply = await http.SendAsync(request);
        var answer = await reply.Content.ReadFromJsonAsync<JsonElement>();
        if (reply.IsSuccessStatusCode) return answer.TryGetProperty("Result", out var result) ? result : default;
        if (reply.Headers.RetryAfter?.Delta is not { } wait || left == 0)
            throw new Exception($"{answer.GetProperty("Code")}: {answer.GetProperty("Description")}");
        await Task.Delay(wait);
    }
}

var (sender, recipient, order) = (args[0], args[1], args[2]);
var message = new
{
    Sender = new { Address = sender, Name = "The Shop" },
    Recipient = new { Address = recipient },
    Subject = $"Order {order}",
    Text = $"<p>Thank you for your order {order}.</p>",
    UserMessageId = $"order-{order}",
};
// The key keeps it from being sent twice, however often this runs.
var id = (await Call(HttpMethod.Post, "/Messages", message, $"order-{order}")).GetString();
Console.WriteLine(id);
foreach (var each in (await Call(HttpMethod.Get, $"/Messages/{id}")).EnumerateArray())
    Console.WriteLine($"{each.GetProperty("Email")} {each.GetProperty("State")}");
